use std::time::Duration;

use proptest::prelude::*;

use super::*;

const KINDNESS: Change = Change { trust: 0.05, respect: 0.0, familiarity: 0.0, affection: 0.08 };
const INSULT: Change = Change { trust: -0.05, respect: -0.06, familiarity: 0.0, affection: -0.12 };
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn kindness_makes_friends_over_days_and_not_by_being_poured_out() {
    let home = Bond::default();
    let at_once = (0..100).fold(home, |bond, _| bond.talked().moved(KINDNESS));
    assert!(at_once.affection < 0.25, "{at_once:?}");
    assert_eq!(Level::of(&at_once), Level::Acquaintance);
    let daily = (0..10).fold(home, |bond, _| bond.talked().moved(KINDNESS).rested(&home, DAY));
    assert_eq!(Level::of(&daily), Level::Friend, "{daily:?}");
}

#[test]
fn unkindness_does_not_wear_off() {
    let bond = (0..5).fold(Bond::default(), |bond, _| bond.moved(INSULT));
    assert!(bond.affection < -0.4, "{bond:?}");
    assert_eq!(Level::of(&bond), Level::Rival);
}

#[test]
fn an_insult_is_not_made_good_by_compliments_in_a_row_but_in_time() {
    let home = Bond::default();
    let hurt = home.moved(INSULT);
    let compliment = |trust, respect, affection| Change { trust, respect, familiarity: 0.0, affection };
    for kind in [compliment(0.01, 0.03, 0.05), compliment(0.03, 0.0, 0.08), compliment(0.0, 0.0, 0.03)] {
        let soothed = (0..10).fold(hurt, |bond, _| bond.talked().felt(Some(kind), 0.4));
        assert!(soothed.affection < 0.0, "{soothed:?}");
        assert!(soothed.affection > hurt.affection, "each counts a little: {soothed:?}");
        let forgiven = (0..10).fold(hurt, |bond, _| bond.rested(&home, DAY).talked().felt(Some(kind), 0.4));
        assert!(forgiven.affection > 0.0, "{forgiven:?}");
    }
}

#[test]
fn a_deed_moves_less_near_the_bound_and_whole_on_the_way_back() {
    let far = Bond { affection: 0.9, ..Bond::default() };
    assert!(far.moved(KINDNESS).since(&far).affection < 0.01);
    assert!((far.moved(INSULT).since(&far).affection + 0.12).abs() < 1e-6);
}

#[test]
fn praise_that_is_scorned_counts_less() {
    let bond = Bond::default();
    let glad = bond.felt(Some(KINDNESS), 0.4).affection;
    let scorned = bond.felt(Some(KINDNESS), -0.3).affection;
    assert!(scorned > 0.0 && scorned < glad / 2.0);
    assert!(bond.felt(None, -0.5).affection < 0.0 && bond.felt(None, 0.0) == bond);
}

#[test]
fn affection_drifts_home_and_trust_stays() {
    let home = Bond { affection: 0.2, ..Bond::default() };
    let hurt = Bond { affection: -0.4, trust: -0.5, ..home };
    let later = hurt.rested(&home, Duration::from_secs_f32(AFFECTION_HALF_LIFE_S));
    assert!((later.affection + 0.1).abs() < 1e-4 && later.trust == -0.5, "{later:?}");
}

#[test]
fn levels_have_words_and_only_what_came_to_matter_is_said() {
    let at = |trust, affection, familiarity| Bond { trust, affection, familiarity, ..Bond::default() };
    for (bond, word) in [
        (at(0.0, 0.0, 0.0), "stranger"),
        (at(0.1, 0.1, 0.3), "acquaintance"),
        (at(0.2, 0.3, 0.3), "friend"),
        (at(0.5, 0.6, 0.5), "close friend"),
        (at(-0.2, -0.3, 0.3), "rival"),
        (at(-0.6, -0.7, 0.3), "enemy"),
    ] {
        assert_eq!(Level::of(&bond).word(), word);
    }
    let home = Bond::default();
    let say = |bond: Bond, home: &Bond| stance(&bond, home, "Ann");
    assert_eq!(say(home, &home), None);
    assert_eq!(say(at(0.1, 0.1, 0.9), &home), None);
    assert_eq!(say(at(-0.4, 0.0, 0.2), &home).as_deref(), Some("You do not trust Ann."));
    assert_eq!(say(at(0.4, 0.1, 0.2), &home).as_deref(), Some("You trust Ann."));
    assert_eq!(say(at(0.3, 0.4, 0.2), &home).as_deref(), Some("Ann is your friend."));
    // The file says it already.
    assert_eq!(say(at(0.4, 0.1, 0.2), &at(0.4, 0.0, 0.0)), None);
}

fn any_change() -> impl Strategy<Value = Change> {
    (prop::num::f32::ANY, prop::num::f32::ANY, prop::num::f32::ANY, prop::num::f32::ANY).prop_map(
        |(trust, respect, familiarity, affection)| Change { trust, respect, familiarity, affection },
    )
}

proptest! {
    #[test]
    fn bonds_stay_in_bounds(steps in prop::collection::vec((any_change(), prop::num::f32::ANY, any::<u64>()), 1..30)) {
        let home = Bond::default();
        let mut bond = home;
        for (change, pleasure, elapsed_s) in steps {
            bond = bond.rested(&home, Duration::from_secs(elapsed_s)).talked().moved(change).felt(Some(change), pleasure);
            prop_assert_eq!(bond, bond.tame());
        }
    }

    #[test]
    fn two_waits_are_one_long_wait(affection in -1.0f32..1.0, sated in 0.0f32..1.0, first in 0u64..10_000_000, second in 0u64..10_000_000) {
        let home = Bond { affection: 0.3, ..Bond::default() };
        let start = Bond { affection, sated, ..home };
        let wait = |bond: Bond, s: u64| bond.rested(&home, Duration::from_secs(s));
        let (twice, once) = (wait(wait(start, first), second), wait(start, first + second));
        prop_assert!((twice.affection - once.affection).abs() < 1e-3 && (twice.sated - once.sated).abs() < 1e-3);
    }

    #[test]
    fn a_kind_deed_never_harms_and_an_unkind_one_never_helps(
        trust in -1.0f32..1.0, affection in -1.0f32..1.0, sated in 0.0f32..1.0,
    ) {
        let bond = Bond { trust, affection, sated, ..Bond::default() };
        prop_assert!(bond.moved(KINDNESS).affection >= affection - 1e-6);
        prop_assert!(bond.moved(INSULT).affection <= affection + 1e-6);
    }
}
