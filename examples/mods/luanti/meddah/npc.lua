-- The body of a character: an entity that shows a name, looks at whom it may talk to, and walks.
-- A character is in one place only. Mod storage keeps a stamp for each; a body that comes back from an
-- unloaded area with an older stamp is left over from before the character was moved, and goes away.

local text, settings = ...

local LOOK_INTERVAL_S = 0.25
local WALK_SPEED = 3.2          -- nodes per second; players walk 4
local HOP_SPEED = 3.3
local FOLLOW_NEAR = 2.5         -- nodes
local FOLLOW_FAR = 40           -- a player further away than this is not followed any more
local GRAVITY = -9.81
local STUCK_DISTANCE = 0.1      -- nodes between two looks; whoever walks freely makes eight times as much
local AROUND_RAD = 0.8

local storage = minetest.get_mod_storage()
local npcs = { loaded = {} }

local clothes = { "#8a4b38", "#3d5a80", "#5b7042", "#7a5c99", "#b08d57", "#4a6670" }

-- The same character wears the same colour everywhere.
local function textures(character)
	local sum = 0
	for i = 1, #character do
		sum = (sum * 31 + character:byte(i)) % 65536
	end
	local worn = "^(meddah_npc_clothes.png^[multiply:" .. clothes[sum % #clothes + 1] .. ")"
	return { "meddah_npc_front.png" .. worn, "meddah_npc_back.png" .. worn }
end

local has_player_model = minetest.get_modpath("player_api") ~= nil

local function look_of(character)
	if has_player_model then
		return { visual = "mesh", mesh = "character.b3d", textures = { "character.png" } }
	end
	return { visual = "upright_sprite", visual_size = { x = 1, y = 2 }, textures = textures(character) }
end

-- {name, stamp} of a character that was placed once, or nil.
local function placement(character)
	local found = storage:get_string("npc:" .. character)
	return found ~= "" and minetest.deserialize(found, true) or nil
end

local function position(npc)
	return npc and npc.object and npc.object:get_pos()
end

-- The body of a character, when it stands in a loaded area.
function npcs.get(character)
	local npc = npcs.loaded[character]
	return position(npc) and npc or nil
end

-- What the character is called, loaded or not.
function npcs.name_of(character)
	local placed = placement(character)
	return placed and placed.name or character
end

-- All bodies in loaded areas, in a fixed order.
function npcs.all()
	local list = {}
	for _, npc in pairs(npcs.loaded) do
		if position(npc) then
			list[#list + 1] = npc
		end
	end
	table.sort(list, function(a, b) return a.character < b.character end)
	return list
end

-- Bodies within earshot of a place, nearest first.
function npcs.near(pos)
	local found, distance = {}, {}
	for _, npc in ipairs(npcs.all()) do
		distance[npc] = vector.distance(pos, position(npc))
		if distance[npc] <= settings.earshot then
			found[#found + 1] = npc
		end
	end
	table.sort(found, function(a, b) return distance[a] < distance[b] end)
	return found
end

-- Names of the players within earshot of a character, nearest first.
function npcs.listeners(npc)
	local found, distance = {}, {}
	local pos = position(npc)
	for _, player in ipairs(pos and minetest.get_connected_players() or {}) do
		local name = player:get_player_name()
		distance[name] = vector.distance(pos, player:get_pos())
		if distance[name] <= settings.earshot then
			found[#found + 1] = name
		end
	end
	table.sort(found, function(a, b) return distance[a] < distance[b] end)
	return found
end

-- Whether a message speaks to this character by its id, its name, or a capitalised part of the name.
local function is_named(npc, message)
	if text.mentions(message, npc.character) or text.mentions(message, npc.name) then
		return true
	end
	for part in npc.name:gmatch("%S+") do
		if #part >= 3 and part:find("^[%u\128-\255]") and text.mentions(message, part) then
			return true
		end
	end
	return false
end

-- Who answers a message said at a place: the one who is named, else the nearest.
function npcs.addressed(pos, message)
	local near = npcs.near(pos)
	for _, npc in ipairs(near) do
		if is_named(npc, message) then
			return npc
		end
	end
	return not settings.only_when_named and near[1] or nil
end

-- Puts a character into the world, or moves it there.
function npcs.place(pos, character, name)
	local placed = placement(character)
	local stamp = (placed and placed.stamp or 0) + 1
	local former = npcs.get(character)
	storage:set_string("npc:" .. character, minetest.serialize({ name = name, stamp = stamp }))
	if former then
		former.object:remove()
	end
	return minetest.add_entity(pos, "meddah:npc", minetest.serialize({ character = character, stamp = stamp }))
end

-- Takes a character out of the world. False: it was not there.
function npcs.remove(character)
	local known = placement(character) ~= nil
	local npc = npcs.get(character)
	if npc then
		npc.object:remove()
	end
	storage:set_string("npc:" .. character, "")
	npcs.loaded[character] = nil
	return known
end

-- Ids of all characters placed in this world.
function npcs.placed()
	local ids = {}
	for key in pairs(storage:to_table().fields) do
		ids[#ids + 1] = key:match("^npc:(.+)$")
	end
	table.sort(ids)
	return ids
end

local Npc = {
	initial_properties = {
		hp_max = 20,
		physical = true,
		collide_with_objects = false,
		collisionbox = { -0.3, -1, -0.3, 0.3, 0.8, 0.3 },
		stepheight = 1.1,
		nametag_color = "#ffe9b0",
	},
	since_look_s = 0,
}

if has_player_model then
	-- The model of the default game has its feet at the origin.
	Npc.initial_properties.collisionbox = { -0.3, 0, -0.3, 0.3, 1.7, 0.3 }
end

function Npc:on_activate(staticdata)
	local kept = staticdata ~= "" and minetest.deserialize(staticdata, true) or nil
	local placed = kept and placement(kept.character)
	if not placed or placed.stamp ~= kept.stamp then
		self.object:remove()
		return
	end
	self.character, self.stamp, self.name = kept.character, kept.stamp, placed.name
	npcs.loaded[self.character] = self
	self.object:set_armor_groups({ immortal = 1 })
	self.object:set_acceleration({ x = 0, y = GRAVITY, z = 0 })
	self.object:set_properties(look_of(self.character))
	self:show()
end

function Npc:on_deactivate()
	if npcs.loaded[self.character or ""] == self then
		npcs.loaded[self.character] = nil
	end
end

function Npc:get_staticdata()
	return minetest.serialize({ character = self.character, stamp = self.stamp })
end

-- The name above the head, with dots while the character thinks, and the mood when pointed at.
function Npc:show()
	self.object:set_properties({
		nametag = self.name .. (self.thinking and " …" or ""),
		infotext = self.mood and ("%s (%s)"):format(self.name, self.mood) or self.name,
	})
end

function Npc:set_thinking(thinking)
	self.thinking = thinking
	self:show()
end

function Npc:set_mood(mood)
	self.mood = text.clean(mood, text.NAME_BYTES_MAX)
	self:show()
end

function Npc:look_at(pos)
	self.object:set_yaw(minetest.dir_to_yaw(vector.direction(position(self), pos)))
end

-- A short hop: the one gesture that every look has.
function Npc:hop()
	self.object:add_velocity({ x = 0, y = HOP_SPEED, z = 0 })
end

-- Straight ahead. The step height carries it up stairs and over single nodes; walls stop it.
function Npc:walk(speed)
	local direction = minetest.yaw_to_dir(self.object:get_yaw() or 0)
	local climb = self.object:get_velocity().y
	self.object:set_velocity({ x = direction.x * speed, y = climb, z = direction.z * speed })
	if has_player_model and self.walking ~= (speed > 0) then
		self.walking = speed > 0
		self.object:set_animation(self.walking and { x = 168, y = 187 } or { x = 0, y = 79 }, 30)
	end
end

function Npc:on_step(dtime)
	self.since_look_s = self.since_look_s + dtime
	if self.since_look_s < LOOK_INTERVAL_S then
		return
	end
	self.since_look_s = 0
	local pos = position(self)
	-- The player may have left since the last step, so the name is kept and not the object.
	local leader = self.following and minetest.get_player_by_name(self.following)
	local leader_pos = leader and leader:get_pos()
	local distance = leader_pos and vector.distance(pos, leader_pos)
	if not distance or distance > FOLLOW_FAR then
		self.following, self.walked_from = nil, nil
		local nearest = minetest.get_player_by_name(npcs.listeners(self)[1] or "")
		if nearest then
			self:look_at(nearest:get_pos())
		end
		self:walk(0)
		return
	end
	self:look_at(leader_pos)
	local walks = distance > FOLLOW_NEAR
	if walks and self.walked_from and vector.distance(pos, self.walked_from) < STUCK_DISTANCE then
		self:get_round()
	end
	self.walked_from = walks and pos or nil
	self:walk(walks and WALK_SPEED or 0)
end

-- Something is in the way: a hop, and a step to one side, then to the other.
function Npc:get_round()
	self.turns_left = not self.turns_left
	self.object:set_yaw(self.object:get_yaw() + (self.turns_left and AROUND_RAD or -AROUND_RAD))
	self:hop()
end

function Npc:on_punch(puncher)
	if puncher and puncher:is_player() then
		meddah.conversation.struck(self, puncher:get_player_name())
	end
	return true
end

function Npc:on_rightclick(clicker)
	if clicker and clicker:is_player() then
		meddah.conversation.hint(self, clicker:get_player_name())
	end
end

minetest.register_entity("meddah:npc", Npc)

return npcs
