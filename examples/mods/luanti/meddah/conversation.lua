-- From the chat to Meddah and back: who is spoken to, what they can see, and who hears the answer.
-- Only names and ids are kept between a question and its answer. Players leave and areas unload in the
-- meantime, so every handle is looked up anew when an event arrives.

local text, npcs, actions, settings = ...

local S = minetest.get_translator("meddah")

local WAITING_MAX = 2             -- questions of one player at a time
local NOTICE_INTERVAL_S = 20      -- between two messages of the same kind to one player
local STRUCK_INTERVAL_S = 10

local conversation = { asked = {} }
local client
local noticed, struck_at = {}, {}

function conversation.use(a_client)
	client = a_client
end

local function tell(player_name, message)
	if minetest.get_player_by_name(player_name) then
		minetest.chat_send_player(player_name, message)
	end
end

-- The same as `tell`, but not again and again.
local function tell_once(player_name, kind, message)
	local key, now_s = player_name .. "/" .. kind, minetest.get_us_time() / 1e6
	if not noticed[key] or now_s - noticed[key] > NOTICE_INTERVAL_S then
		noticed[key] = now_s
		tell(player_name, minetest.colorize("#bbbbbb", message))
	end
end

local function scene(npc)
	local hearing = npcs.listeners(npc)
	for _, other in ipairs(npcs.near(npc.object:get_pos())) do
		hearing[#hearing + 1] = other.character
	end
	local minutes = math.floor((minetest.get_timeofday() or 0.5) * 1440)
	return {
		place = settings.place ~= "" and settings.place or nil,
		time = ("%02d:%02d"):format(math.floor(minutes / 60), minutes % 60),
		present = hearing,
		hearing = hearing,
		game_time = minetest.get_gametime(),
	}
end

local function waiting_count(player_name)
	local count = 0
	for _, asker in pairs(conversation.asked) do
		count = count + (asker == player_name and 1 or 0)
	end
	return count
end

-- Sends a command that a character answers, on behalf of a player. False: not now, and the player knows.
local function ask(npc, player_name, command)
	if not client then
		return false
	elseif client.state == "waiting" then
		tell_once(player_name, "away", S("@1 does not hear you: Meddah is not running at @2", npc.name, client.url))
		return false
	elseif waiting_count(player_name) >= WAITING_MAX then
		tell_once(player_name, "busy", S("@1 is still thinking", npc.name))
		return false
	end
	command.req_id = client:next_id()
	conversation.asked[command.req_id] = player_name
	if not client:send(command) then
		conversation.asked[command.req_id] = nil
		tell_once(player_name, "busy", S("@1 is still thinking", npc.name))
		return false
	end
	return true
end

-- A player says something to a character.
function conversation.say(npc, player_name, message)
	local said = text.clean(message, text.SAID_BYTES_MAX)
	if said == "" then
		return false
	end
	return ask(npc, player_name, {
		type = "say",
		to = npc.character,
		-- Alone, the player is the one of `hello`, whose name is a setting and not "singleplayer".
		from = not minetest.is_singleplayer() and player_name or nil,
		text = said,
		scene = scene(npc),
		actions = actions.declare(npc),
	})
end

-- A player hits a character, who may remark on it.
function conversation.struck(npc, player_name)
	local now_s = minetest.get_us_time() / 1e6
	if struck_at[npc.character] and now_s - struck_at[npc.character] < STRUCK_INTERVAL_S then
		return
	end
	struck_at[npc.character] = now_s
	local who = minetest.is_singleplayer() and settings.player_name or player_name
	ask(npc, player_name, {
		type = "event",
		to = npc.character,
		text = ("%s hits %s."):format(who, npc.name),
		react = true,
	})
end

function conversation.hint(npc, player_name)
	tell(player_name, S("Say something in the chat and @1 will answer", npc.name))
end

-- Every chat message goes on to the other players; a character nearby hears it too.
function conversation.on_chat(player_name, message)
	local player = minetest.get_player_by_name(player_name)
	local npc = player and npcs.addressed(player:get_pos(), message)
	if npc then
		conversation.say(npc, player_name, message)
	end
end

-- Those who hear a character: whoever is near. When its area is unloaded, the one who asked.
local function audience(event)
	local npc = npcs.get(event.character or "")
	if npc then
		return npcs.listeners(npc)
	end
	return { conversation.asked[event.req_id or ""] }
end

local function narration(name, said)
	said = said:gsub("^%*+%s*", ""):gsub("%s*%*+$", "")
	if said:sub(1, #name):lower() == name:lower() then
		return "* " .. said
	end
	return "* " .. name .. " " .. said
end

local on = {}

function on.turn_started(_, npc)
	if npc then
		npc:set_thinking(true)
	end
end

function on.line(event, npc)
	local said = text.clean(event.text, text.LINE_BYTES_MAX)
	if said == "" then
		return
	end
	local name = npc and npc.name or npcs.name_of(event.character or "")
	local shown = event.narration and narration(name, said) or ("<%s> %s"):format(name, said)
	for _, listener in ipairs(audience(event)) do
		tell(listener, shown)
	end
end

function on.emotion(event, npc)
	if npc and event.label then
		npc:set_mood(event.label)
	end
end

function on.action(event)
	local ok, result = actions.perform(event)
	minetest.log("info", ("[meddah] action %s ok=%s"):format(tostring(event.name), tostring(ok)))
	if client and event.call_id then
		client:send({ type = "action_result", call_id = event.call_id, ok = ok, text = result })
	end
	return ok, result
end

function on.turn_ended(event, npc)
	if npc then
		npc:set_thinking(false)
	end
	local asker = conversation.asked[event.req_id or ""]
	conversation.asked[event.req_id or ""] = nil
	if asker and event.finish == "failed" then
		local err = type(event.error) == "table" and event.error or {}
		conversation.explain(asker, event.character, err)
	end
end

function on.error(event)
	local asker = conversation.asked[event.req_id or ""]
	conversation.asked[event.req_id or ""] = nil
	minetest.log("warning", ("[meddah] %s: %s"):format(tostring(event.code), text.clean(event.message)))
	if asker then
		conversation.explain(asker, event.character, event)
	end
end

-- "The model is loading" and the like: to those who wait for an answer.
function on.notice(event)
	local message = text.clean(event.message)
	minetest.log("action", ("[meddah] notice %s: %s"):format(tostring(event.code), message))
	for _, asker in pairs(conversation.asked) do
		tell_once(asker, "notice " .. tostring(event.code), text.clean(message .. " " .. (event.help or "")))
	end
end

function conversation.explain(asker, character, err)
	local why = text.clean(err.help and err.help ~= "" and err.help or err.message)
	tell(asker, minetest.colorize("#bbbbbb", S("@1 does not answer: @2", npcs.name_of(character or "Meddah"), why)))
end

-- Unknown events are left alone, so that a newer Meddah can send more.
function conversation.on_event(event)
	local handler = on[event.type or ""]
	if handler then
		return handler(event, npcs.get(event.character or ""))
	end
end

-- A command that could not be delivered.
function conversation.on_refused(command, err)
	minetest.log("warning", ("[meddah] %s not accepted: %s"):format(command.type, text.clean(err.message)))
	local asker = conversation.asked[command.req_id or ""]
	conversation.asked[command.req_id or ""] = nil
	local npc = npcs.get(command.to or "")
	if npc then
		npc:set_thinking(false)
	end
	if asker then
		conversation.explain(asker, command.to, err)
	end
end

function conversation.on_leave(player_name)
	for key in pairs(noticed) do
		if key:sub(1, #player_name + 1) == player_name .. "/" then
			noticed[key] = nil
		end
	end
end

return conversation
