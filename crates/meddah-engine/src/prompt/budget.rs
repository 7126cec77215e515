//! How a window is shared out: what each part of a prompt may take, in tokens.

/// What each part may take, in tokens. What is left belongs to the recent turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// From this window on, in tokens.
    pub window: u32,
    /// The reply.
    pub reply: u32,
    /// Rules, the world and what everybody knows, actions.
    pub shared: u32,
    /// Who the character is and what it knows.
    pub character: u32,
    /// What it remembers, and how many memories at most.
    pub memories: u32,
    /// Memories at most.
    pub memories_max: usize,
    /// Knowledge that the talk calls up.
    pub knowledge: u32,
}

/// Smallest window first.
const BUDGETS: [Budget; 4] = [
    Budget {
        window: 2048,
        reply: 120,
        shared: 250,
        character: 350,
        memories: 250,
        memories_max: 5,
        knowledge: 150,
    },
    Budget {
        window: 4096,
        reply: 160,
        shared: 400,
        character: 600,
        memories: 500,
        memories_max: 10,
        knowledge: 300,
    },
    Budget {
        window: 8192,
        reply: 200,
        shared: 600,
        character: 900,
        memories: 900,
        memories_max: 15,
        knowledge: 700,
    },
    Budget {
        window: 32_768,
        reply: 300,
        shared: 1000,
        character: 2000,
        memories: 4000,
        memories_max: 40,
        knowledge: 3000,
    },
];

impl Budget {
    /// For a window of so many tokens. One that is smaller than the smallest of the table gets its share of that.
    pub fn for_window(window: u32) -> Budget {
        let found = BUDGETS.iter().rev().find(|budget| budget.window <= window);
        found.copied().unwrap_or_else(|| {
            let smallest = BUDGETS[0];
            let share = |part: u32| (u64::from(part) * u64::from(window) / u64::from(smallest.window)) as u32;
            Budget {
                window,
                reply: share(smallest.reply),
                shared: share(smallest.shared),
                character: share(smallest.character),
                memories: share(smallest.memories),
                memories_max: smallest.memories_max,
                knowledge: share(smallest.knowledge),
            }
        })
    }

    /// The smallest of the table: a small model gets lost in more, however large its window is.
    pub fn smallest() -> Budget {
        BUDGETS[0]
    }

    /// What the recent turns have of a window at least.
    pub fn recent(&self, window: u32) -> u32 {
        let others = self.reply + self.shared + self.character + self.memories + self.knowledge;
        window.saturating_sub(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_its_row_and_leaves_room_for_recent_turns() {
        for window in [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 1_000_000] {
            let budget = Budget::for_window(window);
            assert!(budget.window <= window);
            assert!(budget.recent(window) * 3 >= window, "{window}: {budget:?}");
        }
        assert_eq!(Budget::for_window(5000), BUDGETS[1]);
        assert_eq!(Budget::for_window(1024).character, 175);
    }
}
