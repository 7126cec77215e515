-- Text that crosses the border between the chat and a model.
-- Neither side is trusted: a model must not be able to colour the chat, start a new line and speak as
-- another player, or turn the text around; a player must not be able to send a book.

local text = {
	-- Fits a long chat message; Meddah itself takes 16 KiB.
	SAID_BYTES_MAX = 600,
	-- One sentence of a character. Longer ones are cut with an ellipsis.
	LINE_BYTES_MAX = 1000,
	NAME_BYTES_MAX = 40,
	ID_BYTES_MAX = 128,
}

-- Cuts at a character's border, so that the result stays valid UTF-8.
local function cut(s, bytes_max)
	if #s <= bytes_max then
		return s
	end
	local last = bytes_max
	while last > 0 do
		local following = s:byte(last + 1)
		if following < 128 or following > 191 then
			break
		end
		last = last - 1
	end
	return s:sub(1, last) .. "…"
end

-- One line of plain text: no escapes (colours, translations), control characters or direction marks.
function text.clean(s, bytes_max)
	s = tostring(s or "")
	s = s:gsub("\27%b()", ""):gsub("\27[^(]?", "")
	s = s:gsub("[%z\1-\31\127]", " "):gsub("\194[\128-\159]", " ")
	s = s:gsub("\226\128[\142\143\168-\174]", " "):gsub("\226\129[\166-\169]", " ")
	s = s:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
	return cut(s, bytes_max or text.LINE_BYTES_MAX)
end

-- Whether `message` has `name` in it as a word of its own.
function text.mentions(message, name)
	message, name = message:lower(), name:lower()
	if name == "" then
		return false
	end
	local from = 1
	while true do
		local first, last = message:find(name, from, true)
		if not first then
			return false
		end
		local before, after = message:sub(first - 1, first - 1), message:sub(last + 1, last + 1)
		-- Bytes above 127 belong to letters such as ö, so they count as part of the word.
		if not (first > 1 and before:find("[%w_\128-\255]")) and not after:find("[%w_\128-\255]") then
			return true
		end
		from = first + 1
	end
end

return text
