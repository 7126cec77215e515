//! A place in the tree of branches, as adapters store it.

/// Just after the entry `seq` of a branch that holds it; branch 0, seq 0 is the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub branch: u32,
    pub seq: u64,
}

impl Place {
    pub(crate) const BEGINNING: Place = Place { branch: 0, seq: 0 };
}
