-- JSON as Meddah expects it.
-- The engine's own writer turns 3 into 3.0 and an empty table into null, and neither is a count or a
-- list any more. So tables and whole numbers are written here, and everything else by the engine.

local json = {}

local DEPTH_MAX = 16
local list_mark = {}

-- Marks a table as a list, so that it stays one when it is empty.
function json.list(t)
	return setmetatable(t or {}, list_mark)
end

local function encode(value, depth)
	if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then
		return ("%d"):format(value)
	elseif type(value) ~= "table" then
		return minetest.write_json(value)
	elseif depth > DEPTH_MAX then
		error("[meddah] a command is nested too deeply")
	end
	local parts = {}
	if getmetatable(value) == list_mark or #value > 0 then
		for i = 1, #value do
			parts[i] = encode(value[i], depth + 1)
		end
		return "[" .. table.concat(parts, ",") .. "]"
	end
	for key, entry in pairs(value) do
		parts[#parts + 1] = minetest.write_json(tostring(key)) .. ":" .. encode(entry, depth + 1)
	end
	return "{" .. table.concat(parts, ",") .. "}"
end

function json.encode(value)
	-- Strings come back from the engine's writer with a line break in some versions.
	return (encode(value, 1):gsub("\n", ""))
end

-- A JSON object as a table, or nil. A time-out leaves an empty body and a wrong address some other
-- program's page; the parser would log an error for each, so they never reach it.
function json.decode(body)
	if type(body) ~= "string" or not body:find("^%s*{") then
		return nil
	end
	local value = minetest.parse_json(body)
	return type(value) == "table" and value or nil
end

return json
