use super::*;

const ROW: &str = r#"
[[model]]
provider = "p"
model = "m"
price = { input = 1, cached_input = 1, cache_write = 1, output = 2 }
date = "2026-11-23"
source = "a page"
"#;

fn parse(text: &str) -> ModelTable {
    ModelTable::parse(text).unwrap()
}

#[test]
fn the_table_that_comes_along_is_read_and_covers_every_provider() {
    let table = parse(EMBEDDED);
    for info in crate::providers::known() {
        let facts = table.lookup(info.name, "no-such-model-xyz");
        assert_eq!(facts.guessed, info.paid, "{}", info.name);
        assert_eq!(facts.price == Price::default(), !info.paid, "{}", info.name);
    }
}

#[test]
fn a_guess_is_never_cheaper_than_what_is_known() {
    let table = parse(EMBEDDED);
    for row in &table.rows {
        let guess = table.lookup(&row.provider, "no-such-model-xyz").price;
        assert!(row.price.input <= guess.input && row.price.output <= guess.output, "{row:?}");
        assert!(row.price.cached_input <= guess.cached_input, "{row:?}");
    }
}

#[test]
fn known_models_and_their_dated_versions_share_a_row() {
    let table = parse(EMBEDDED);
    let haiku = table.lookup("anthropic", "claude-haiku-4-5");
    assert_eq!(haiku.price.output, 5_000_000);
    assert!(!haiku.guessed && haiku.tools && haiku.vision);
    assert_eq!(table.lookup("anthropic", "Claude-Haiku-4-5-20251001"), haiku);
    assert_eq!(table.lookup("openai-responses", "gpt-5-mini"), table.lookup("openai", "gpt-5-mini"));
    assert!(table.lookup("openai", "gpt-5-mini-search").guessed);
    assert!(table.lookup("openai", "gpt-5.99").guessed);
}

#[test]
fn gateways_know_the_models_of_vendors_at_a_guessed_price() {
    let table = parse(EMBEDDED);
    let facts = table.lookup("openrouter", "google/gemini-2.5-flash");
    assert!(facts.guessed && facts.reasoning && facts.schema);
    assert_eq!(facts.price.output, 2_500_000);
    assert!(table.lookup("openrouter", "somebody/something").guessed);
}

#[test]
fn newer_rows_replace_older_ones_and_not_the_other_way_round() {
    let with = |date: &str, output: &str| {
        parse(&ROW.replace("2026-11-23", date).replace("output = 2", &format!("output = {output}")))
    };
    let old = with("2026-11-23", "2");
    assert_eq!(old.clone().merge(with("2026-12-01", "3")).lookup("p", "m").price.output, 3);
    assert_eq!(old.clone().merge(with("2026-01-01", "3")).lookup("p", "m").price.output, 2);
    let added = old.merge(parse(&ROW.replace("\"m\"", "\"n*\"")));
    assert!(!added.lookup("p", "n2").guessed && added.lookup("p", "x").guessed);
}

#[test]
fn rows_say_where_they_come_from() {
    for (from, to) in [
        ("date = \"2026-11-23\"", ""),
        ("2026-11-23", "yesterday"),
        ("source = \"a page\"", ""),
        ("a page", " "),
        ("\"m\"", "\"m*x\""),
        ("output = 2", "output = -2"),
        ("output = 2", "output = 0.5"),
        ("provider", "provdier"),
    ] {
        assert!(ModelTable::parse(&ROW.replace(from, to)).is_err(), "{from} -> {to}");
    }
    assert!(ModelTable::parse(&"#".repeat(TABLE_BYTES_MAX + 1)).is_err());
}

#[test]
fn a_table_that_is_written_is_the_same_when_it_is_read() {
    let table = parse(EMBEDDED);
    assert_eq!(parse(&table.to_toml().unwrap()), table);
    let too_many = ModelTable { rows: vec![table.rows[0].clone(); ROWS_MAX + 1] };
    assert!(too_many.to_toml().is_err());
}

#[test]
fn what_changes_is_told() {
    let old = parse(ROW);
    assert_eq!(old.changes_to(&old), []);
    let new = parse(&format!("{}{}", ROW.replace("output = 2", "output = 3"), ROW.replace("\"m\"", "\"n\"")));
    let changes = old.changes_to(&new);
    assert!(matches!(changes[..], [Change::Price { before, now }, Change::New(other)]
        if before.price.output == 2 && now.price.output == 3 && other.model == "n"));
    let longer = parse(&format!("{ROW}context = 5\n"));
    assert!(matches!(old.changes_to(&longer)[..], [Change::Other(_)]));
}
