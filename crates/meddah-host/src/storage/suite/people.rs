//! Players, tokens, invites and identities.

use futures::future::join_all;

use super::{NOON_MS, Store, batch, entry, newcomer};
use crate::quota::{Period, Window};
use crate::storage::{
    Identity, Invite, LedgerPage, Player, PlayerChange, SecretHash, StorageErrorKind, Token, UsedWindow,
};

fn token(player: &Player, id: &str) -> Token {
    Token {
        id: id.into(),
        player: player.id.clone(),
        hash: SecretHash([7; 32]),
        label: "PC".into(),
        created_ms: NOON_MS,
        used_ms: None,
        revoked_ms: None,
    }
}

fn invite(id: &str, byte: u8, uses_left: u32, expires_ms: Option<u64>) -> Invite {
    let (tier, note) = ("friend".into(), "for the guild".into());
    Invite {
        id: id.into(),
        hash: SecretHash([byte; 32]),
        tier,
        uses_left,
        expires_ms,
        created_ms: NOON_MS,
        note,
    }
}

fn account(subject: &str) -> Identity {
    Identity { provider: "somewhere".into(), subject: subject.into() }
}

pub async fn players_are_kept_and_changed(store: Store) {
    let hostile = "Robert'); DROP TABLE player;-- \u{202e}ä";
    let mut players = vec![Player::new(hostile, "guest", 1), Player::new("", "guest", NOON_MS)];
    players.sort_by(|one, other| one.id.cmp(&other.id));
    for player in &players {
        store.add_player(player).await.expect("added");
        assert_eq!(store.add_player(player).await.expect_err("twice").kind, StorageErrorKind::Taken);
    }
    assert_eq!(store.players(None, 10).await.expect("readable"), players);
    assert_eq!(store.players(None, 1).await.expect("readable"), players[..1]);
    assert_eq!(store.players(Some(&players[0].id), 10).await.expect("readable"), players[1..]);

    let changes = || async { store.people_changes().await.expect("readable") };
    let (at_first, change) =
        (changes().await, PlayerChange { tier: Some("friend".into()), blocked: Some(true), name: None });
    let changed = store.change_player(&players[0].id, &change).await.expect("changed");
    let expected = Player { tier: "friend".into(), blocked: true, ..players[0].clone() };
    assert_eq!(
        (&changed, store.player(&players[0].id).await.expect("readable")),
        (&expected, Some(expected.clone()))
    );
    let changed = changes().await;
    assert!(changed > at_first);
    store.delete_player(&players[1].id).await.expect("deleted");
    assert!(changes().await > changed);
    let nobody = store.change_player(&"nobody".into(), &change).await.expect_err("nobody");
    assert_eq!(nobody.kind, StorageErrorKind::NotFound);
    assert_eq!(store.player(&"nobody".into()).await.expect("readable"), None);
}

pub async fn a_token_is_a_device(store: Store) {
    let player = Player::new("ann", "guest", NOON_MS);
    let orphan = store.add_token(&token(&player, "a")).await.expect_err("no player");
    assert_eq!(orphan.kind, StorageErrorKind::NotFound);
    store.add_player(&player).await.expect("added");
    for id in ["a", "b"] {
        store.add_token(&token(&player, id)).await.expect("added");
    }
    let used = [("a".to_owned(), NOON_MS + 9), ("a".into(), NOON_MS + 5), ("gone".into(), 1)];
    store.tokens_used(&used).await.expect("written");
    let before = store.people_changes().await.expect("readable");
    store.revoke_token("b", NOON_MS + 3).await.expect("revoked");
    assert!(store.people_changes().await.expect("readable") > before);
    store.revoke_token("b", NOON_MS + 4).await.expect("still revoked");
    assert_eq!(store.revoke_token("gone", 1).await.expect_err("none").kind, StorageErrorKind::NotFound);

    let (a, b) = (token(&player, "a"), token(&player, "b"));
    let (a, b) = (Token { used_ms: Some(NOON_MS + 9), ..a }, Token { revoked_ms: Some(NOON_MS + 3), ..b });
    assert_eq!(store.token("a").await.expect("readable"), Some((a.clone(), player.clone())));
    assert_eq!(store.tokens_of(&player.id).await.expect("readable"), [a, b]);
    assert_eq!(store.token("gone").await.expect("readable"), None);
}

pub async fn an_invite_lets_in_as_often_as_it_says(store: Store) {
    const USES: u32 = 5;
    store.add_invite(&invite("a", 1, USES, Some(NOON_MS + 1))).await.expect("added");
    store.add_invite(&invite("b", 2, 1, Some(NOON_MS))).await.expect("added");
    let redeem = |number: usize, byte: u8| {
        let store = store.clone();
        async move {
            let player = Player::new(&format!("player {number}"), "", NOON_MS);
            let device = token(&player, &format!("{byte}-{number}"));
            store.redeem(SecretHash([byte; 32]), &player, &device).await
        }
    };
    let (let_in, refused): (Vec<_>, Vec<_>) =
        join_all((0..40).map(|number| redeem(number, 1))).await.into_iter().partition(Result::is_ok);
    assert_eq!((let_in.len(), refused.len()), (USES as usize, 35));
    for error in refused {
        assert_eq!(error.expect_err("refused").kind, StorageErrorKind::NotFound);
    }
    assert!(let_in.into_iter().all(|player| player.expect("let in").tier == "friend"));
    let there = store.players(None, 100).await.expect("readable");
    assert_eq!(there.len(), USES as usize, "who was refused is not there");
    assert!(redeem(0, 2).await.is_err(), "expired");
    assert!(redeem(0, 3).await.is_err(), "no such code");
    let invites = store.invites(None, 10).await.expect("readable");
    assert_eq!(invites.iter().map(|invite| invite.uses_left).collect::<Vec<_>>(), [0, 1]);
    store.delete_invite("b").await.expect("deleted");
    assert_eq!(store.invites(Some("a"), 10).await.expect("readable"), []);
    assert_eq!(store.delete_invite("b").await.expect_err("gone").kind, StorageErrorKind::NotFound);
}

pub async fn an_account_elsewhere_is_one_player(store: Store) {
    assert_eq!(store.sign_in(&account("ann"), None).await.expect("readable"), None);
    let sign_in = |number: usize| {
        let store = store.clone();
        async move {
            let newcomer = Player::new(&format!("{number}"), "guest", NOON_MS);
            store.sign_in(&account("ann"), Some(&newcomer)).await.expect("signed in").expect("a player").id
        }
    };
    let players = join_all((0..20).map(sign_in)).await;
    assert!(players.iter().all(|player| *player == players[0]), "{players:?}");
    assert_eq!(store.players(None, 100).await.expect("readable").len(), 1);
    let other = newcomer(&store, "bert").await;
    let taken = store.link(&other, &account("ann")).await.expect_err("taken");
    assert_eq!(taken.kind, StorageErrorKind::Taken);
    store.link(&other, &account("bert")).await.expect("linked");
    store.link(&other, &account("bert")).await.expect("still linked");
    assert_eq!(
        store.link(&"nobody".into(), &account("x")).await.expect_err("x").kind,
        StorageErrorKind::NotFound
    );
    let known = store.sign_in(&account("bert"), None).await.expect("readable").expect("a player");
    assert_eq!(known.id, other);
}

pub async fn a_deleted_player_leaves_only_amounts(store: Store) {
    let player = Player::new("ann", "guest", NOON_MS);
    store.add_player(&player).await.expect("added");
    store.add_token(&token(&player, "a")).await.expect("added");
    store.link(&player.id, &account("ann")).await.expect("linked");
    let host = store.join(NOON_MS).await.expect("joined");
    let mut first = batch(1);
    first.entries = vec![entry(&player.id, 10, 3)];
    store.post(host, &first).await.expect("written");
    store.delete_player(&player.id).await.expect("deleted");
    assert_eq!(store.delete_player(&player.id).await.expect_err("gone").kind, StorageErrorKind::NotFound);

    // What was under way is settled when its player is gone.
    let mut second = batch(2);
    second.entries = vec![entry(&player.id, 20, 4)];
    store.post(host, &second).await.expect("written");
    assert_eq!(store.token("a").await.expect("readable"), None);
    assert_eq!(store.sign_in(&account("ann"), None).await.expect("readable"), None);
    let lines = store.ledger(&LedgerPage { limit: 10, ..LedgerPage::default() }).await.expect("readable");
    assert_eq!(lines.iter().map(|line| line.entry.amounts.tokens).collect::<Vec<_>>(), [10, 20]);
    assert!(lines.iter().all(|line| line.entry.player.is_none()));
    let sums = store.sums(&Window::all_of(&player.id, NOON_MS)).await.expect("readable");
    assert_eq!(sums.map_tokens(), [0, 0, 30, 30]);
}

/// For shorter assertions.
trait MapTokens {
    fn map_tokens(&self) -> Vec<u64>;
}

impl MapTokens for Vec<crate::storage::Sums> {
    fn map_tokens(&self) -> Vec<u64> {
        self.iter().map(|sums| sums.used.tokens).collect()
    }
}

pub async fn an_export_has_everything(store: Store) {
    let player = Player::new("ann", "guest", NOON_MS);
    store.add_player(&player).await.expect("added");
    store.add_token(&token(&player, "a")).await.expect("added");
    store.link(&player.id, &account("ann")).await.expect("linked");
    let host = store.join(NOON_MS).await.expect("joined");
    let mut first = batch(1);
    first.entries = vec![entry(&player.id, 10, 3), entry(&newcomer(&store, "bert").await, 5, 5)];
    store.post(host, &first).await.expect("written");
    let export = store.export_player(&player.id).await.expect("there");
    assert_eq!(export.devices, [token(&player, "a").into()]);
    assert_eq!((export.player, export.identities), (player, vec![account("ann")]));
    let used = first.entries[0].amounts;
    let window = |period: Period| UsedWindow { window: period.to_string(), used };
    assert_eq!(export.windows, [window(Period::day_of(NOON_MS)), window(Period::month_of(NOON_MS))]);
    assert_eq!(store.export_player(&"x".into()).await.expect_err("none").kind, StorageErrorKind::NotFound);
}
