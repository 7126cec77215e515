//! The way from a place back to the beginning: which entries a character there can know of.

use super::{BranchId, Cursor};

/// What lies behind a place, as stretches of branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<Stretch>);

/// The entries of one branch, up to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The branch.
    pub branch: BranchId,
    /// Its newest entry that counts; older ones of this branch count, too.
    pub seq_max: u64,
}

impl Lineage {
    /// From stretches, the one with the place itself first. Their branches have falling numbers: a branch is
    /// younger than the one that it was split off from.
    pub fn new(stretches: Vec<Stretch>) -> Self {
        Lineage(stretches)
    }

    /// The stretches, from the place back to the beginning.
    pub fn stretches(&self) -> &[Stretch] {
        &self.0
    }

    /// Whether an entry lies behind the place. Both must be of the same timeline.
    pub fn holds(&self, branch: BranchId, seq: u64) -> bool {
        let found = self.0.binary_search_by(|stretch| branch.cmp(&stretch.branch));
        seq == 0 || found.is_ok_and(|index| seq <= self.0[index].seq_max)
    }

    /// Whether a place lies behind the place, or is the same.
    pub fn holds_place(&self, cursor: Cursor) -> bool {
        self.holds(cursor.branch, cursor.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_behind_is_held() {
        let stretch = |branch, seq_max| Stretch { branch: BranchId(branch), seq_max };
        let lineage = Lineage::new(vec![stretch(7, 30), stretch(3, 20), stretch(0, 10)]);
        let holds = |branch, seq| lineage.holds(BranchId(branch), seq);
        assert!(holds(7, 30) && holds(3, 20) && holds(0, 10) && holds(0, 1));
        assert!(!holds(7, 31) && !holds(3, 21) && !holds(0, 11), "beyond the fork");
        assert!(!holds(5, 15) && !holds(8, 1), "a sibling");
        assert!(Lineage::default().holds(BranchId(0), 0), "the beginning lies behind everything");
    }
}
