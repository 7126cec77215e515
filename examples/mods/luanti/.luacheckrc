std = "luajit"
max_line_length = 120
globals = { "meddah" }
read_globals = {
	"minetest", "vector", "ItemStack", "doors", "dump",
	string = { fields = { "split" } },
}
files["meddah/init.lua"] = { globals = { "meddah" } }
-- The word "self" is given by the engine's callbacks, used or not.
self = false
