//! `meddah budget`: what paid models cost so far, what is left at hosts, and the switches and ceilings.

mod hosts;

use meddah_inference::budget::{Limits, Part, PartLimit, format_micro};
use meddah_store::StoreError;
use meddah_store::ledger::{LedgerReport, ModelLine, Sums, Usage};
use serde_json::{Value, json};

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::budget::{BudgetError, CURRENCY, check, edit, open_file};
use crate::day::{self, DAY_MS};
use crate::ladders::model_table;
use hosts::AtHost;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BudgetArguments {
    #[command(subcommand)]
    command: Option<BudgetCommand>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum BudgetCommand {
    /// Send nothing paid any more, at once and also from a sidecar that runs
    Off {
        /// Only this part
        part: Option<PartName>,
    },
    /// Take that back
    On {
        /// Only this part
        part: Option<PartName>,
    },
    /// Change a ceiling in the settings
    Set {
        /// per_day, in_total, talk, background or speech
        ceiling: String,
        /// An amount such as 2.00; for a part also on or off; "" for no ceiling
        amount: String,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PartName {
    Talk,
    Background,
    Speech,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Part {
        match name {
            PartName::Talk => Part::Talk,
            PartName::Background => Part::Background,
            PartName::Speech => Part::Speech,
        }
    }
}

pub async fn run(arguments: BudgetArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    match arguments.command {
        None => show(&setup, arguments.json).await?,
        Some(BudgetCommand::Off { part }) => switch(&setup, part, false)?,
        Some(BudgetCommand::On { part }) => switch(&setup, part, true)?,
        Some(BudgetCommand::Set { ceiling, amount }) => set(&setup, &ceiling, &amount)?,
    }
    Ok(DONE)
}

fn switch(setup: &Setup, part: Option<PartName>, on: bool) -> Result<(), Failure> {
    let limits = limits(setup)?;
    let ledger = open_file(&setup.paths, &setup.settings).map_err(failure)?;
    let parts = part.map_or(Part::ALL.to_vec(), |part| vec![part.into()]);
    for part in parts {
        ledger.switch(part.name(), on).map_err(|error| failure(error.into()))?;
        let off_by_settings = limits.part(part) == PartLimit::Off;
        print::line(&match (on, off_by_settings) {
            (false, _) => format!("{part}: off. Nothing paid is sent for it any more."),
            (true, false) => format!("{part}: on."),
            (true, true) => {
                format!("{part}: still off in the settings; change it with `meddah budget set {part} on`.")
            }
        });
    }
    Ok(())
}

fn set(setup: &Setup, ceiling: &str, amount: &str) -> Result<(), Failure> {
    check(ceiling, amount)
        .map_err(|error| Failure::new(WRONG_USAGE, format!("{}\n{}", error.message, error.help)))?;
    edit::set(&setup.paths.data, ceiling, amount).map_err(failure)?;
    print::line(&format!("budget.{ceiling} = {amount:?}"));
    print::aside(
        "Programs that run keep the old ceiling until they start anew; `meddah budget off` works at once.",
    );
    if amount != "off" && part_is_off(setup, ceiling)? {
        print::warning(&format!("{ceiling} is switched off; `meddah budget on {ceiling}` allows it again"));
    }
    let variable = format!("MEDDAH_BUDGET_{}", ceiling.to_uppercase());
    if std::env::var_os(&variable).is_some() {
        print::warning(&format!("the variable {variable} wins over the file"));
    }
    Ok(())
}

/// Whether the ledger has the part of this name switched off.
fn part_is_off(setup: &Setup, name: &str) -> Result<bool, Failure> {
    let ledger = open_file(&setup.paths, &setup.settings).map_err(failure)?;
    let report = ledger.report().map_err(|error| failure(error.into()))?;
    Ok(report.off.iter().any(|off| off == name))
}

async fn show(setup: &Setup, json: bool) -> Result<(), Failure> {
    let limits = limits(setup)?;
    let report = {
        let ledger = open_file(&setup.paths, &setup.settings).map_err(failure)?;
        ledger.report().map_err(|error: StoreError| failure(error.into()))?
    };
    let table = model_table(&setup.paths)
        .map_err(|error| Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help)))?;
    let prices_of = table.newest_date().unwrap_or_default();
    let hosts = hosts::ask_all(setup).await;
    if json {
        let mut shown = to_json(&report, &limits, prices_of);
        shown["hosts"] = hosts.iter().map(AtHost::to_json).collect();
        print::line(&shown.to_string());
    } else {
        to_person(&report, &limits);
        hosts.iter().for_each(AtHost::print);
        print::aside(&format!(
            "Prices are those of {prices_of}; `price` of a rung in the settings wins over them."
        ));
    }
    Ok(())
}

fn limits(setup: &Setup) -> Result<Limits, Failure> {
    setup.settings.budget.limits().map_err(|error| Failure::new(BAD_INPUT, error.to_string()))
}

fn failure(error: BudgetError) -> Failure {
    Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help))
}

/// Spent and reserved of all parts.
fn all(report: &LedgerReport, of: impl Fn(&meddah_store::ledger::PartLine) -> Sums) -> Sums {
    report.parts.iter().map(of).fold(Sums::default(), |sum, part| Sums {
        spent: sum.spent.saturating_add(part.spent),
        reserved: sum.reserved.saturating_add(part.reserved),
    })
}

fn left(sums: Sums, ceiling: Option<u64>) -> Option<u64> {
    ceiling.map(|ceiling| ceiling.saturating_sub(sums.spent.saturating_add(sums.reserved)))
}

/// What a part may spend today by its own ceiling, and whether it may at all.
fn part_state(report: &LedgerReport, limits: &Limits, part: Part) -> (bool, Option<u64>) {
    let switched_off = report.off.iter().any(|off| off == part.name());
    match limits.part(part) {
        PartLimit::Off => (false, None),
        PartLimit::On => (!switched_off, None),
        PartLimit::PerDay(ceiling) => (!switched_off, Some(ceiling)),
    }
}

fn part_sums(report: &LedgerReport, part: Part) -> (Sums, Sums) {
    let line = report.parts.iter().find(|line| line.part == part.name());
    line.map(|line| (line.today, line.total)).unwrap_or_default()
}

fn to_json(report: &LedgerReport, limits: &Limits, prices_of: &str) -> Value {
    let span = |sums: Sums, ceiling: Option<u64>| {
        json!({"spent_micro": sums.spent, "reserved_micro": sums.reserved, "ceiling_micro": ceiling,
               "left_micro": left(sums, ceiling)})
    };
    let parts = Part::ALL.map(|part| {
        let (on, ceiling) = part_state(report, limits, part);
        let (today, total) = part_sums(report, part);
        json!({"part": part, "on": on, "today": span(today, ceiling), "in_total": span(total, None)})
    });
    let usage = |usage: &Usage| {
        json!({"calls": usage.calls, "prompt_tokens": usage.prompt_tokens, "cached_tokens": usage.cached_tokens,
               "cache_write_tokens": usage.cache_write_tokens, "completion_tokens": usage.completion_tokens,
               "spent_micro": usage.micro})
    };
    let model = |line: &ModelLine| {
        json!({"part": line.part, "rung": line.source, "model": line.model, "today": usage(&line.today),
               "in_total": usage(&line.total)})
    };
    json!({
        "currency": CURRENCY,
        "prices_of": prices_of,
        "day": day::iso(report.day),
        "day_ends_in_seconds": (DAY_MS - report.now_ms % DAY_MS) / 1000,
        "today": span(all(report, |part| part.today), limits.per_day),
        "in_total": span(all(report, |part| part.total), limits.in_total),
        "parts": parts,
        "models": report.models.iter().map(model).collect::<Vec<_>>(),
        "never_settled_calls": report.run_out,
    })
}

fn to_person(report: &LedgerReport, limits: &Limits) {
    let minutes = (DAY_MS - report.now_ms % DAY_MS) / 60_000;
    let date = day::iso(report.day);
    print::line(&format!("{CURRENCY}, {date} UTC; the day ends in {} h {} min", minutes / 60, minutes % 60));
    print::line(&span("today", all(report, |part| part.today), limits.per_day));
    print::line(&span("in total", all(report, |part| part.total), limits.in_total));
    for part in Part::ALL {
        let (on, ceiling) = part_state(report, limits, part);
        let (today, total) = part_sums(report, part);
        let state = if on { "on" } else { "off" };
        let today = span("today", today, ceiling).replace("no ceiling", "no ceiling of its own");
        print::line(&format!("{part}: {state}; {today}; in total {}", format_micro(total.spent)));
    }
    for line in &report.models {
        let ModelLine { part, source, model, today, total } = line;
        print::line(&format!("{source}, {model} ({part})"));
        print::line(&format!("  today {}; in total {}", usage(today), usage(total)));
    }
    if report.run_out > 0 {
        print::aside(&format!(
            "{} calls were never settled, because the program ended in mid-reply; what they cost is not known.",
            report.run_out
        ));
    }
}

fn span(name: &str, sums: Sums, ceiling: Option<u64>) -> String {
    let reserved = match sums.reserved {
        0 => String::new(),
        micro => format!(", {} reserved", format_micro(micro)),
    };
    let rest = match (ceiling, left(sums, ceiling)) {
        (Some(ceiling), Some(left)) => format!(" of {}, {} left", format_micro(ceiling), format_micro(left)),
        _ => ", no ceiling".to_owned(),
    };
    format!("{name} {} spent{reserved}{rest}", format_micro(sums.spent))
}

fn usage(usage: &Usage) -> String {
    format!(
        "{} calls, {} tokens in ({} cached) and {} out, {}",
        usage.calls,
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        format_micro(usage.micro)
    )
}
