-- Two things for characters to use, so that the mod works in any game, even one without doors or food.

local S = minetest.get_translator("meddah")

local function gate(state, next_state, box)
	local name = "meddah:gate_" .. state
	minetest.register_node(name, {
		description = S("Gate"),
		tiles = { "meddah_gate.png" },
		drawtype = "nodebox",
		node_box = { type = "fixed", fixed = box },
		paramtype = "light",
		paramtype2 = "facedir",
		sunlight_propagates = true,
		is_ground_content = false,
		drop = "meddah:gate_closed",
		groups = {
			choppy = 2, oddly_breakable_by_hand = 2,
			not_in_creative_inventory = state == "open" and 1 or nil,
		},
		on_rightclick = function(pos, node)
			minetest.swap_node(pos, { name = "meddah:gate_" .. next_state, param2 = node.param2 })
		end,
	})
end

gate("closed", "open", { -0.5, -0.5, -0.1, 0.5, 0.5, 0.1 })
gate("open", "closed", { -0.5, -0.5, -0.1, -0.3, 0.5, 0.9 })

minetest.register_craftitem("meddah:ale", {
	description = S("Mug of ale"),
	inventory_image = "meddah_ale.png",
	on_use = minetest.item_eat(2),
})
