-- The player's half of the end-to-end test: a real client that types what a player would type and hears
-- only what a player would hear. What it prints is what the runner judges.

local PREFIX = "MEDDAH_TEST "
local PAUSE_S = 0.3

local names, current = {}, 0

local function talk_to_next()
	current = current + 1
	local name = names[current]
	if name then
		print("BOT says to " .. name)
		minetest.send_chat_message("Good evening, " .. name .. "! What is new today?")
	else
		minetest.run_server_chatcommand("meddah_test", "")
	end
end

-- Whether it shows something of a character: what it says, or what it is told to do.
local function is_of(name, message)
	local said, told = "<" .. name .. "> ", "* " .. name .. " "
	return message:sub(1, #said) == said or message:sub(1, #told) == told
end

local function on_order(order)
	local talk = order:match("^talk (.+)$")
	if talk then
		names, current = talk:split("|"), 0
		minetest.after(PAUSE_S, talk_to_next)
	elseif order == "finished" then
		print("BOT finished")
		minetest.after(PAUSE_S, minetest.disconnect)
	end
end

minetest.register_on_receiving_chat_message(function(message)
	print("BOT heard: " .. message)
	local name = names[current]
	if message:sub(1, #PREFIX) == PREFIX then
		on_order(message:sub(#PREFIX + 1))
	elseif name and is_of(name, message) then
		names[current] = false
		print("BOT answered by " .. name)
		minetest.after(PAUSE_S, talk_to_next)
	end
	return false
end)

print("BOT loaded")
