//! `meddah world tree`: branches, saves and the head of each timeline.

use std::collections::BTreeMap;

use meddah_store::{BranchInfo, SavePoint, SqliteStore, TimelineSize, TimelineStore as _};
use serde_json::{Value, json};

use super::{Which, failed, opened};
use crate::cli::setup::{Common, Setup};
use crate::cli::{DONE, Failure, print};
use crate::day::{self, DAY_MS};

pub(super) async fn run(which: Which, as_json: bool) -> Result<u8, Failure> {
    let store = opened(&Setup::open(&Common::default())?)?;
    let mut trees = Vec::new();
    for size in which.find(&store).await? {
        let tree = Tree::read(&store, size).await?;
        if as_json {
            trees.push(tree.to_json());
        } else {
            tree.print();
        }
    }
    if as_json {
        print::line(&json!({"timelines": trees}).to_string());
    }
    Ok(DONE)
}

struct Tree {
    size: TimelineSize,
    branches: Vec<BranchInfo>,
    saves: Vec<SavePoint>,
}

impl Tree {
    async fn read(store: &SqliteStore, size: TimelineSize) -> Result<Tree, Failure> {
        let key = &size.info.key;
        let branches = store.branches(key).await.map_err(failed)?;
        let saves = store.save_points(key).await.map_err(failed)?;
        Ok(Tree { size, branches, saves })
    }

    fn to_json(&self) -> Value {
        let branch = |branch: &BranchInfo| {
            let mut value = json!({"branch": branch.id.0, "tip": branch.tip.to_string(), "created_ms": branch.created_ms});
            if let Some(fork) = branch.forked_at {
                value["forked_at"] = fork.to_string().into();
            }
            value
        };
        let save = |save: &SavePoint| {
            let mut value = json!({"cursor": save.cursor.to_string(), "saved_ms": save.saved_ms});
            if let Some(name) = &save.name {
                value["name"] = name.clone().into();
            }
            if let Some(game_time) = save.game_time {
                value["game_time"] = game_time.into();
            }
            value
        };
        let mut value = super::size_json(&self.size);
        value["branches"] = self.branches.iter().map(branch).collect();
        value["saves"] = self.saves.iter().map(save).collect();
        value
    }

    fn print(&self) {
        let key = &self.size.info.key;
        print::line(&format!("world {}, player {}", key.world, key.player));
        let mut children: BTreeMap<Option<u32>, Vec<&BranchInfo>> = BTreeMap::new();
        for branch in &self.branches {
            children.entry(branch.forked_at.map(|fork| fork.branch.0)).or_default().push(branch);
        }
        // A list of what is still to be shown instead of recursion: games nest thousands of branches.
        let mut left: Vec<(usize, &BranchInfo)> = Vec::new();
        let add = |left: &mut Vec<_>, depth: usize, parent: Option<u32>| {
            left.extend(children.get(&parent).into_iter().flatten().rev().map(|branch| (depth, *branch)));
        };
        add(&mut left, 0, None);
        while let Some((depth, branch)) = left.pop() {
            self.print_branch(depth, branch);
            add(&mut left, depth + 1, Some(branch.id.0));
        }
    }

    fn print_branch(&self, depth: usize, branch: &BranchInfo) {
        /// Deeper branches stand no further to the right.
        const INDENT_MAX: usize = 20;
        let indent = "  ".repeat(1 + depth.min(INDENT_MAX));
        let from = branch.forked_at.map_or(0, |fork| fork.seq);
        let fork = branch.forked_at.map(|fork| format!(", split off branch {} at {}", fork.branch, fork.seq));
        let fork = fork.unwrap_or_default();
        print::line(&format!(
            "{indent}branch {}: entries {} to {}{fork}",
            branch.id,
            from + 1,
            branch.tip.seq
        ));
        for save in self.saves.iter().filter(|save| save.cursor.branch == branch.id) {
            let name = save.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
            let clock = save.game_time.map(|time| format!(", game time {time}")).unwrap_or_default();
            let day = day::iso(u64::try_from(save.saved_ms).unwrap_or(0) / DAY_MS);
            print::line(&format!(
                "{indent}  saved{name} at {}{clock}, {day}: {}",
                save.cursor.seq, save.cursor
            ));
        }
        let head = self.size.info.head;
        if head.branch == branch.id {
            print::line(&format!("{indent}  now at {}: {head}", head.seq));
        }
    }
}
