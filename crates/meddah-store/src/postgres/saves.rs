//! Marking moments, and going back to them.

use futures::try_join;
use meddah_engine::timeline::{BranchId, Cursor, TimelineKey};

use super::connection::{Connection, Param};
use super::error::Failed;
use super::locked::{Locked, in_transaction, lock};
use super::timeline::{Seen, get, place, place_of, stored_number};
use crate::place::Place;
use crate::rules::{self, no_save, now_ms};
use crate::{LoadBy, Loaded};

/// Everything before the commit is on the disk when it returns, whatever the server does with other commits.
const BEGIN_ON_DISK: &str = "BEGIN; SET LOCAL synchronous_commit = on";

pub(super) async fn save(
    connection: &Connection,
    key: &TimelineKey,
    name: Option<&str>,
    game_time: Option<i64>,
) -> Result<Cursor, Failed> {
    rules::check_save_name(name)?;
    let (client, statement) = (&connection.client, &connection.sql.save_point_insert);
    // To mark a moment twice is to mark it, so unlike other writes this may be tried again.
    let save = async {
        let now_ms = now_ms();
        let save_point: [Param<'_>; 5] = [&key.world, &key.player, &name, &game_time, &now_ms];
        let (_, row, _) = try_join!(
            client.batch_execute(BEGIN_ON_DISK),
            client.query_opt(statement, &save_point),
            client.batch_execute("COMMIT"),
        )?;
        Seen::from_row(&row.ok_or_else(|| rules::no_timeline(key))?)?.cursor()
    };
    in_transaction(connection, save).await
}

pub(super) async fn load(connection: &Connection, key: &TimelineKey, by: &LoadBy) -> Result<Loaded, Failed> {
    let load = async {
        let timeline = lock(connection, key).await?;
        let (seen, uncertain) = moment(connection, &timeline, by).await?;
        let cursor = seen.cursor()?;
        timeline.load(connection, seen.place).await?;
        Ok(Loaded { cursor, branch: BranchId(seen.place.branch), uncertain })
    };
    in_transaction(connection, load).await
}

/// The moment that is meant, and whether that is uncertain.
async fn moment(connection: &Connection, timeline: &Locked, by: &LoadBy) -> Result<(Seen, bool), Failed> {
    let (place, uncertain) = match by {
        LoadBy::Cursor(cursor) => {
            let seen = timeline.seen(connection, place_of(*cursor)).await?;
            seen.check(Some(*cursor))?;
            return Ok((seen, false));
        }
        LoadBy::Name(name) => saved_as(connection, timeline, name, None).await?,
        LoadBy::NameAt { name, game_time } => {
            match saved_as(connection, timeline, name, Some(*game_time)).await? {
                Some(found) => Some(found),
                // Not what was meant, and the best there is.
                None => saved_as(connection, timeline, name, None).await?.map(|(place, _)| (place, true)),
            }
        }
        LoadBy::GameTime(game_time) => Some((at_game_time(connection, timeline, *game_time).await?, true)),
    }
    .ok_or_else(|| no_save(named(by)))?;
    Ok((timeline.seen(connection, place).await?, uncertain))
}

fn named(by: &LoadBy) -> &str {
    match by {
        LoadBy::Name(name) | LoadBy::NameAt { name, .. } => name,
        LoadBy::Cursor(_) | LoadBy::GameTime(_) => "",
    }
}

/// The newest save of this name, and whether that is uncertain.
async fn saved_as(
    connection: &Connection,
    timeline: &Locked,
    name: &str,
    game_time: Option<i64>,
) -> Result<Option<(Place, bool)>, Failed> {
    // No save has such a name, and the server takes no such text.
    if name.contains('\0') {
        return Ok(None);
    }
    let statement = &connection.sql.save_point_by_name;
    let row = connection.client.query_opt(statement, &[&timeline.id(), &name, &game_time]).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(place(&row, 0)?.zip(Some(get(&row, 2)?)))
}

/// The newest place on the way back from the head at or before a game time.
async fn at_game_time(connection: &Connection, timeline: &Locked, game_time: i64) -> Result<Place, Failed> {
    let head = timeline.head.place;
    let (branch, seq) = (i64::from(head.branch), stored_number(head.seq));
    let statement = &connection.sql.newest_by_game_time;
    let row = connection.client.query_one(statement, &[&timeline.id(), &branch, &seq, &game_time]).await?;
    match place(&row, 0)? {
        Some(place) => Ok(place),
        None if get(&row, 2)? => Ok(Place::BEGINNING),
        None => Err(rules::no_game_time().into()),
    }
}
