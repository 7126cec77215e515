-- Meddah for Luanti: characters that listen, answer and act.
-- The mod is the body (npc.lua, actions.lua), Meddah beside the game is the mind; client.lua is the
-- line between them. Other mods add actions with `meddah.register_action`.

local modpath = minetest.get_modpath(minetest.get_current_modname())
local S = minetest.get_translator("meddah")
-- Must be asked for here, in the main file: the engine gives it to nobody else.
local http = minetest.request_http_api()

meddah = {}

local function setting(name, default)
	local value = minetest.settings:get("meddah." .. name)
	return value and value ~= "" and value or default
end

local settings = {
	url = setting("url", "http://127.0.0.1:7842"),
	token = setting("token", ""),
	world = setting("world", "tavern"),
	earshot = tonumber(setting("earshot", "12")) or 12,
	only_when_named = minetest.settings:get_bool("meddah.only_when_named", false),
	player_name = setting("player_name", "traveller"),
	place = setting("place", ""),
	language = setting("language", nil),
	gifts = setting("gifts", "meddah:ale, default:apple, farming:bread"):split(",%s*", false, -1, true),
	allow_attack = minetest.settings:get_bool("meddah.allow_attack", true),
}

local function load(file, ...)
	return assert(loadfile(modpath .. "/" .. file .. ".lua"))(...)
end

load("items")
local text = load("text")
local json = load("json")
local npcs = load("npc", text, settings)
local actions = load("actions", json, npcs, settings)
local conversation = load("conversation", text, npcs, actions, settings)
local Client = load("client", json)

meddah.npcs = npcs
meddah.actions = actions
meddah.conversation = conversation
meddah.register_action = actions.register
meddah.tell = actions.tell

local warned
local function on_state(state, err)
	if state == "open" then
		warned = nil
		minetest.log("action", ("[meddah] session %s open at %s"):format(meddah.client.session, settings.url))
	elseif state == "waiting" and warned ~= err.code then
		-- Once per cause: it tries again by itself, and the log should not fill up meanwhile.
		warned = err.code
		minetest.log("warning", ("[meddah] %s: %s. %s"):format(settings.url, text.clean(err.message), text.clean(err.help
			or "Start it with: meddah serve")))
	end
end

local function hello()
	local alone = minetest.is_singleplayer()
	return {
		type = "hello",
		game = "luanti",
		mod = "meddah",
		world = settings.world,
		player = {
			id = alone and "singleplayer" or "players",
			name = alone and settings.player_name or "players",
		},
		language = settings.language,
	}
end

if http then
	meddah.client = Client.new(http, {
		url = settings.url,
		token = settings.token,
		hello = hello(),
		on_event = conversation.on_event,
		on_state = on_state,
		on_refused = conversation.on_refused,
	})
	conversation.use(meddah.client)
	minetest.after(0, function() meddah.client:open() end)
	minetest.register_on_chat_message(function(player_name, message)
		conversation.on_chat(player_name, message)
	end)
	minetest.register_on_leaveplayer(function(player)
		conversation.on_leave(player:get_player_name())
	end)
	minetest.register_on_shutdown(function()
		meddah.client:close()
	end)
else
	minetest.log("warning", "[meddah] no HTTP: add `secure.http_mods = meddah` to the settings and start again")
end

minetest.register_privilege("meddah_npc", {
	description = S("May place and remove characters"),
	give_to_singleplayer = true,
})

minetest.register_chatcommand("npc", {
	params = S("<character_id> [<name>]"),
	description = S("Place a character where you stand, or move it here"),
	privs = { meddah_npc = true },
	func = function(player_name, param)
		local player = minetest.get_player_by_name(player_name)
		local id, name = param:match("^(%S+)%s*(.-)%s*$")
		if not player or not id or #id > text.ID_BYTES_MAX then
			return false, S("Usage: /npc <character_id> [<name>]")
		end
		id = text.clean(id, text.ID_BYTES_MAX)
		name = text.clean(name ~= "" and name or id:gsub("^%l", string.upper):gsub("_", " "), text.NAME_BYTES_MAX)
		local ahead = vector.multiply(minetest.yaw_to_dir(player:get_look_horizontal()), 2)
		local pos = vector.add(player:get_pos(), vector.add(ahead, { x = 0, y = 1.1, z = 0 }))
		if not npcs.place(pos, id, name) then
			return false, S("There is no room for a character here")
		end
		return true, S("@1 is here", name)
	end,
})

minetest.register_chatcommand("npc_remove", {
	params = S("<character_id>"),
	description = S("Take a character out of the world"),
	privs = { meddah_npc = true },
	func = function(_, param)
		local id = param:match("^%s*(%S+)%s*$") or ""
		if not npcs.remove(id) then
			return false, S("There is no character @1", id)
		end
		return true, S("@1 is gone", id)
	end,
})

minetest.register_chatcommand("npcs", {
	description = S("List the characters of this world"),
	func = function()
		local lines = {}
		for _, id in ipairs(npcs.placed()) do
			local npc = npcs.get(id)
			local where = npc and minetest.pos_to_string(npc.object:get_pos(), 0) or S("far away")
			lines[#lines + 1] = ("%s (%s): %s"):format(npcs.name_of(id), id, where)
		end
		local link = meddah.client and meddah.client.state or S("no HTTP")
		lines[#lines + 1] = S("Meddah at @1: @2", settings.url, link)
		return true, table.concat(lines, "\n")
	end,
})
