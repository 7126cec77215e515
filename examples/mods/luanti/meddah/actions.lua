-- What characters can do here: each action is declared with a schema and its targets of this moment, and
-- carried out in the world when a character calls it.
-- Meddah admits only calls that fit the declaration. The world moves on between declaring and calling,
-- so the game looks once more before it acts, and says how it went.

local json, npcs, settings = ...

local S = minetest.get_translator("meddah")

local DOOR_RADIUS = 8
local GIVE_COUNT_MAX = 5
local REACH = 4
local DAMAGE = 2              -- half hearts
local RESULT_BYTES_MAX = 300

local actions = { registered = {}, order = {} }

-- `definition`: description, parameters (JSON Schema, optional), targets(npc) -> list of ids (optional),
-- available(npc) -> bool (optional), needs_result (default true), run(npc, arguments, target) -> ok, text.
function actions.register(name, definition)
	assert(type(definition.run) == "function", "an action needs a `run` function")
	if not actions.registered[name] then
		actions.order[#actions.order + 1] = name
	end
	actions.registered[name] = definition
end

-- Tells everybody within earshot what a character does, as in: * Mira shakes her head
function actions.tell(npc, message)
	for _, name in ipairs(npcs.listeners(npc)) do
		minetest.chat_send_player(name, "* " .. message)
	end
end

-- The declarations of what this character can do right now.
function actions.declare(npc)
	local list = json.list()
	for _, name in ipairs(actions.order) do
		local definition = actions.registered[name]
		local targets = definition.targets and definition.targets(npc)
		local possible = not definition.available or definition.available(npc)
		if possible and (not targets or #targets > 0) then
			list[#list + 1] = {
				name = name,
				description = definition.description,
				parameters = definition.parameters,
				targets = targets and json.list(targets),
				needs_result = definition.needs_result ~= false,
			}
		end
	end
	return list
end

local function contains(list, value)
	for _, entry in ipairs(list) do
		if entry == value then
			return true
		end
	end
	return false
end

-- Carries out an `action` event. Returns ok and what happened, in words for the character.
function actions.perform(event)
	local definition = actions.registered[event.name or ""]
	local npc = npcs.get(event.character or "")
	if not definition then
		return false, "nobody here knows how to do that"
	elseif not npc then
		return false, "too far away from everybody to do that"
	elseif definition.targets and not contains(definition.targets(npc), event.target) then
		return false, "that target is not here any more"
	elseif definition.available and not definition.available(npc) then
		return false, "that is not possible right now"
	end
	local arguments = type(event.arguments) == "table" and event.arguments or {}
	-- Actions of other mods run here too, and a fault in one must not take the server down.
	local ran, ok, result = pcall(definition.run, npc, arguments, event.target)
	if not ran then
		minetest.log("error", ("[meddah] action %s failed: %s"):format(event.name, tostring(ok)))
		return false, "that did not work"
	end
	return ok == true, tostring(result or ""):sub(1, RESULT_BYTES_MAX)
end

actions.register("follow", {
	description = "Walk after a person from now on.",
	targets = npcs.listeners,
	run = function(npc, _, target)
		npc.following = target
		actions.tell(npc, S("@1 follows @2", npc.name, target))
		return true, "now following " .. target
	end,
})

actions.register("stop_following", {
	description = "Stop walking after somebody and stay here.",
	available = function(npc) return npc.following ~= nil end,
	run = function(npc)
		npc.following = nil
		actions.tell(npc, S("@1 stays here", npc.name))
		return true, "staying here"
	end,
})

-- The nearest closed door: `doors` of the default game, or the gate of this mod.
local function nearest_door(npc)
	local pos = npc.object:get_pos()
	local low, high = vector.subtract(pos, DOOR_RADIUS), vector.add(pos, DOOR_RADIUS)
	local names = { "meddah:gate_closed" }
	if minetest.get_modpath("doors") then
		names[2] = "group:door"
	end
	local nearest, nearest_distance
	for _, found in ipairs(minetest.find_nodes_in_area(low, high, names)) do
		local distance = vector.distance(pos, found)
		local door = minetest.get_node(found).name ~= "meddah:gate_closed" and doors.get(found)
		-- Characters have no keys: what somebody owns stays shut.
		local locked = minetest.get_meta(found):get_string("owner") ~= ""
		local closed = door == false or (door and not door:state())
		if closed and not locked and distance < (nearest_distance or math.huge) then
			nearest, nearest_distance = found, distance
		end
	end
	return nearest
end

actions.register("open_door", {
	description = "Open the nearest door or gate.",
	available = function(npc) return nearest_door(npc) ~= nil end,
	run = function(npc)
		local pos = nearest_door(npc)
		local node = minetest.get_node(pos)
		npc:look_at(pos)
		if node.name == "meddah:gate_closed" then
			minetest.swap_node(pos, { name = "meddah:gate_open", param2 = node.param2 })
		else
			doors.get(pos):open()
		end
		actions.tell(npc, S("@1 opens the door", npc.name))
		return true, "the door is open now"
	end,
})

local function give(npc, arguments, target)
	local item = actions.gifts[arguments.item or ""]
	local player = minetest.get_player_by_name(target)
	if not item or not player then
		return false, item and "they have left" or "there is no such thing here"
	end
	local count = math.floor(math.max(1, math.min(tonumber(arguments.count) or 1, GIVE_COUNT_MAX)))
	local left = player:get_inventory():add_item("main", ItemStack({ name = item, count = count }))
	local given = count - left:get_count()
	if given == 0 then
		return false, target .. " has no room to carry it"
	end
	local description = minetest.registered_items[item].short_description
		or minetest.registered_items[item].description
	npc:look_at(player:get_pos())
	actions.tell(npc, S("@1 gives @2 @3 × @4", npc.name, target, given, description))
	return true, ("gave %s %d %s"):format(target, given, arguments.item)
end

local function strike(npc, _, target)
	local player = minetest.get_player_by_name(target)
	if not player then
		return false, "they have left"
	end
	npc:look_at(player:get_pos())
	npc:hop()
	local distance = vector.distance(npc.object:get_pos(), player:get_pos())
	-- Anger may hurt, but a conversation must not kill.
	if distance > REACH or player:get_hp() <= DAMAGE then
		actions.tell(npc, S("@1 shakes a fist at @2", npc.name, target))
		return true, "threatened " .. target
	end
	player:punch(npc.object, 1, { full_punch_interval = 1, damage_groups = { fleshy = DAMAGE } },
		vector.direction(npc.object:get_pos(), player:get_pos()))
	actions.tell(npc, S("@1 strikes @2", npc.name, target))
	return true, "struck " .. target
end

actions.register("refuse", {
	description = "Refuse what was asked, with a shake of the head.",
	needs_result = false,
	run = function(npc)
		actions.tell(npc, S("@1 refuses, shaking the head", npc.name))
		return true, "refused"
	end,
})

-- These two depend on what other mods registered and on the settings, so they wait for all mods.
minetest.register_on_mods_loaded(function()
	actions.gifts = {}
	local words = json.list()
	for _, item in ipairs(settings.gifts) do
		local word = item:match(":(.+)$") or item
		if minetest.registered_items[item] and not actions.gifts[word] then
			actions.gifts[word] = item
			words[#words + 1] = word
		end
	end
	if #words > 0 then
		actions.register("give_item", {
			description = "Give a person something.",
			parameters = {
				type = "object",
				properties = {
					item = { type = "string", enum = words },
					count = { type = "integer", minimum = 1, maximum = GIVE_COUNT_MAX },
				},
				required = { "item" },
				additionalProperties = false,
			},
			targets = npcs.listeners,
			run = give,
		})
	end
	if settings.allow_attack then
		actions.register("attack", {
			description = "Strike a person in anger. Only when seriously provoked.",
			targets = npcs.listeners,
			run = strike,
		})
	end
end)

return actions
