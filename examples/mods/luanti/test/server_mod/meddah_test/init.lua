-- The server's half of the end-to-end test. It puts two characters beside the player who joins, lets that
-- player talk, then sends one event for each action down the path that events from Meddah take, and looks
-- in the world for what should have changed.

local PLAYER = minetest.settings:get("meddah_test.player")
local STEP_S = 0.2
local WAIT_S_MAX = 20

local cast = {}
for id, name in (minetest.settings:get("meddah_test.cast") or ""):gmatch("([^=,]+)=([^,]+)") do
	cast[#cast + 1] = { id = id, name = name }
end

local failed_count = 0
local gate_pos

local function check(name, ok, detail)
	failed_count = failed_count + (ok and 0 or 1)
	minetest.log("action", ("MEDDAH_TEST check %s %s %s"):format(name, ok and "ok" or "FAILED", tostring(detail or "")))
end

local function wait_until(name, condition, seconds_max, next_step)
	local started_us = minetest.get_us_time()
	local function look()
		if condition() then
			next_step(true)
		elseif minetest.get_us_time() - started_us > seconds_max * 1e6 then
			check(name, false, "not within " .. seconds_max .. " s")
			next_step(false)
		else
			minetest.after(STEP_S, look)
		end
	end
	look()
end

local function player()
	return minetest.get_player_by_name(PLAYER)
end

local function tell(message)
	minetest.chat_send_player(PLAYER, "MEDDAH_TEST " .. message)
end

local function beside(dx, dz)
	return vector.add(player():get_pos(), { x = dx, y = 1.1, z = dz })
end

local function act(character, name, arguments, target)
	return meddah.conversation.on_event({
		type = "action", seq = 0, call_id = "test-" .. name, character = character, name = name,
		arguments = arguments, target = target, needs_result = true,
	})
end

local function place_gate(dx, dz)
	local pos = vector.round(vector.add(player():get_pos(), { x = dx, y = 0.5, z = dz }))
	minetest.set_node(pos, { name = "meddah:gate_closed" })
	return pos
end

local checks = {}

function checks.give_item(done)
	local inventory = player():get_inventory()
	local function count()
		local sum = 0
		for _, stack in ipairs(inventory:get_list("main")) do
			sum = sum + (stack:get_name() == "meddah:ale" and stack:get_count() or 0)
		end
		return sum
	end
	local before = count()
	local ok, result = act(cast[1].id, "give_item", { item = "ale", count = 2 }, PLAYER)
	check("give_item", ok and count() == before + 2, result)
	ok, result = act(cast[1].id, "give_item", { item = "crown" }, PLAYER)
	check("give_item_unknown", ok == false, result)
	done()
end

function checks.open_door(done)
	minetest.remove_node(gate_pos)
	local pos = place_gate(2, 2)
	meddah.npcs.get(cast[1].id).object:set_pos(beside(1, 2))
	local ok, result = act(cast[1].id, "open_door", {})
	check("open_door", ok and minetest.get_node(pos).name == "meddah:gate_open", result)
	if minetest.get_modpath("doors") then
		minetest.set_node(pos, { name = "doors:door_wood_a", param2 = 0 })
		minetest.get_meta(pos):set_string("owner", "somebody else")
		ok = act(cast[1].id, "open_door", {})
		check("locked_door", not ok and not doors.get(pos):state())
		minetest.get_meta(pos):set_string("owner", "")
		ok, result = act(cast[1].id, "open_door", {})
		check("wooden_door", ok and doors.get(pos):state(), result)
	end
	done()
end

function checks.attack(done)
	player():set_hp(20)
	meddah.npcs.get(cast[2].id).object:set_pos(beside(1, 1))
	local ok, result = act(cast[2].id, "attack", {}, PLAYER)
	check("attack", ok and player():get_hp() < 20, result)
	player():set_hp(1)
	ok, result = act(cast[2].id, "attack", {}, PLAYER)
	check("attack_does_not_kill", ok and player():get_hp() == 1, result)
	player():set_hp(20)
	done()
end

function checks.refuse(done)
	local ok, result = act(cast[2].id, "refuse", {})
	check("refuse", ok, result)
	done()
end

function checks.follow(done)
	local npc = meddah.npcs.get(cast[1].id)
	npc.object:set_pos(beside(8, 0))
	-- An obstacle one node high, on the way.
	place_gate(5, 0)
	local ok, result = act(cast[1].id, "follow", {}, PLAYER)
	check("follow", ok, result)
	wait_until("follow_walks", function()
		return vector.distance(npc.object:get_pos(), player():get_pos()) < 4
	end, WAIT_S_MAX, function(arrived)
		check("follow_arrives", arrived)
		ok, result = act(cast[1].id, "stop_following", {})
		check("stop_following", ok and npc.following == nil, result)
		done()
	end)
end

-- What must be turned away, and must not stop the server.
function checks.strangers(done)
	local ok, result = act(cast[1].id, "attack", {}, "somebody who left")
	check("target_left", ok == false, result)
	ok, result = act(cast[1].id, "fly_to_the_moon", {})
	check("undeclared", ok == false, result)
	ok, result = act("nobody", "refuse", {})
	check("no_body", ok == false, result)
	local run_count, possible = 0, true
	meddah.register_action("wave", {
		description = "Wave to something.",
		targets = function() return { "moon" } end,
		available = function() return possible end,
		run = function() run_count = run_count + 1; return true end,
	})
	act(cast[1].id, "wave", {}, "sun")
	act(cast[1].id, "wave", {})
	check("other_target", run_count == 0)
	act(cast[1].id, "wave", {}, "moon")
	check("listed_target", run_count == 1)
	possible = false
	act(cast[1].id, "wave", {}, "moon")
	check("not_possible", run_count == 1)
	meddah.register_action("break", { description = "A faulty action.", run = function() error("as planned") end })
	ok, result = act(cast[1].id, "break", {})
	check("faulty_action", ok == false, result)
	meddah.conversation.asked["gone"] = "somebody who left"
	for _, event in ipairs({
		{ type = "turn_started", character = "nobody" },
		{ type = "line", line = 0, text = "Hello?", character = "nobody", req_id = "gone" },
		{ type = "line", line = 0 },
		{ type = "notice", code = "model_loading", message = "loading", percent = 5 },
		{ type = "turn_ended", finish = "failed", character = "nobody", req_id = "gone" },
		{ type = "something_new" },
	}) do
		meddah.conversation.on_event(event)
	end
	check("strangers", meddah.conversation.asked["gone"] == nil)
	-- The runner looks for this line in the player's chat: one line, no colour.
	meddah.conversation.on_event({ type = "line", line = 0, character = cast[1].id,
		text = "\27(c@#ff0000)plain\n<admin> words\27(T@x)\27E" })
	done()
end

-- /npc moves a character that is already there.
function checks.commands(done)
	local ok, result = minetest.registered_chatcommands.npc.func(PLAYER, cast[1].id .. " " .. cast[1].name)
	check("npc", ok, result)
	ok, result = minetest.registered_chatcommands.npcs.func(PLAYER, "")
	check("npcs", ok and result:find(cast[2].id, 1, true), result and result:gsub("\n", "; "))
	minetest.after(0.5, function()
		local count = 0
		for _, entity in pairs(minetest.luaentities) do
			count = count + (entity.character == cast[1].id and entity.object:get_pos() and 1 or 0)
		end
		check("one_body", count == 1, count)
		done()
	end)
end

local function finish()
	-- Every result went to Meddah and was accepted.
	wait_until("results_delivered", function() return #meddah.client.queue == 0 end, WAIT_S_MAX, function()
		minetest.log("action", ("MEDDAH_TEST result failed=%d sent=%d"):format(failed_count, meddah.client.sent_count))
		tell("finished")
	end)
end

local order = { "give_item", "open_door", "attack", "refuse", "follow", "strangers", "commands" }

local function run_checks(index)
	local name = order[index]
	if not name then
		return finish()
	end
	checks[name](function()
		minetest.after(0.1, run_checks, index + 1)
	end)
end

minetest.register_chatcommand("meddah_test", {
	func = function()
		-- The turns that were asked for end first, so that none of their actions gets between the checks.
		wait_until("turns_end", function() return next(meddah.conversation.asked) == nil end,
			tonumber(minetest.settings:get("meddah_test.reply_s")) or 120, function() run_checks(1) end)
		return true
	end,
})

minetest.register_on_joinplayer(function(joined)
	if joined:get_player_name() ~= PLAYER then
		return
	end
	minetest.after(1, function()
		for i, character in ipairs(cast) do
			check("placed_" .. character.id, meddah.npcs.place(beside(3, i * 4 - 6), character.id, character.name))
		end
		gate_pos = place_gate(4, 3)
		wait_until("session_open", function() return meddah.client.state == "open" end, WAIT_S_MAX, function()
			tell("talk " .. cast[1].name .. "|" .. cast[2].name)
		end)
	end)
end)
