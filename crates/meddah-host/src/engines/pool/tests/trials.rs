//! Engines that fail, and how the pool finds out whether they are sound.

use std::time::Duration;

use super::{Health, Made, Way, favourite, rig};
use crate::engines::EngineErrorKind;

#[tokio::test(start_paused = true)]
async fn an_engine_that_answers_500_rests_and_comes_back_after_a_trial() {
    let (a, b) = (Made::new("a", 4), Made::new("b", 4));
    let rig = rig(&[&a, &b]).await;
    a.goes(Way::Fail(EngineErrorKind::Overloaded));
    for affinity in 0..40 {
        assert_eq!(rig.chat(affinity).await, Ok(("b".into(), 2, None)), "{affinity}");
    }
    // Three requests of players, and trials: one at once, then after 5, 10, 20 and 40 s of rest.
    assert_eq!((rig.state(0).failed, rig.state(0).health), (3, Health::Resting));
    assert!((3..=3 + 5).contains(&a.chats()), "{}", a.chats());
    assert_eq!(rig.slots(), 4);
    a.goes(Way::Answer);
    tokio::time::sleep(Duration::from_secs(82)).await;
    assert_eq!((rig.state(0).health, rig.slots()), (Health::Up, 8));
}

#[tokio::test(start_paused = true)]
async fn requests_that_no_engine_can_answer_make_none_rest() {
    let a = Made::new("a", 4);
    let rig = rig(&[&a]).await;
    a.goes(Way::FailPlayers(EngineErrorKind::Overloaded));
    for round in 0..30 {
        assert_eq!(rig.chat(round).await, Err(EngineErrorKind::Overloaded));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(rig.state(0).health, Health::Up, "the trial showed that it is well");
    }
    // A model that nobody has is no reason either.
    a.goes(Way::FailPlayers(EngineErrorKind::NotFound));
    assert_eq!(rig.chat(1).await, Err(EngineErrorKind::NotFound));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.state(0).health, Health::Up);
    // But an address that is wrong for everybody is.
    a.goes(Way::Fail(EngineErrorKind::NotFound));
    assert_eq!(rig.chat(1).await, Err(EngineErrorKind::NotFound));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.state(0).health, Health::Resting);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_in_long_answers_is_found_out_by_a_long_one() {
    let (a, b) = (Made::new("a", 8), Made::new("b", 8));
    let rig = rig(&[&a, &b]).await;
    let of_a = (0..).find(|affinity| favourite(&rig, *affinity) == 0).unwrap();
    a.goes(Way::HangAfter(20));
    for _ in 0..3 {
        let broken = ("a".into(), 20, Some(EngineErrorKind::Timeout));
        assert_eq!(rig.chat(of_a).await, Ok(broken), "a player has seen words of it");
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.state(0).health, Health::Resting);
    assert_eq!(rig.chat(of_a).await, Ok(("b".into(), 2, None)));
    a.goes(Way::HangAfter(30));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(rig.state(0).health, Health::Up, "it goes on beyond where it failed");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_found_out_although_its_players_give_up_first() {
    let (a, b) = (Made::new("a", 8), Made::new("b", 8));
    let rig = rig(&[&a, &b]).await;
    a.goes(Way::Hang);
    let of_a = (0..).find(|affinity| favourite(&rig, *affinity) == 0).unwrap();
    let left = tokio::time::timeout(Duration::from_secs(12), rig.chat(of_a)).await;
    assert!(left.is_err());
    // Three trials of 15 s each.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((rig.state(0).health, rig.state(0).left), (Health::Resting, 1));
    assert_eq!(rig.chat(of_a).await, Ok(("b".into(), 2, None)));
}
