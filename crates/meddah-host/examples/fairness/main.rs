//! What fair queueing does for light players: the table of docs/guide/plan.md.
//!
//! `cargo run -p meddah-host --example fairness`

#![expect(clippy::print_stdout, reason = "an example that prints a table")]

mod scenario;

use meddah_host::admission::AdmissionSettings;
use meddah_host::plan::{Habits, Order, PlanError, Scenario, simulate};
use meddah_host::player::Class;
use scenario::{FLOOD, light_players, with_ambient};

fn main() -> Result<(), PlanError> {
    println!("{:45} live p50   p95    p99   busy  flood's  Jain  shed  ambient answered", "");
    println!("{:45}        seconds          tokens              %         %", "");
    let flooded = Scenario { flood: FLOOD, ..light_players() };
    let first_come = |scenario: Scenario| Scenario { order: Order::FirstCome, ..scenario };
    show("first come first served, nobody floods", &first_come(light_players()))?;
    show("first come first served, flood", &first_come(flooded.clone()))?;
    show("fair, nobody floods", &light_players())?;
    show("fair, flood", &flooded)?;
    show("fair, flood, 4 at once per player", &capped(flooded.clone(), 4))?;
    show("first come first served, ambient", &first_come(with_ambient(light_players())))?;
    show("fair, ambient", &with_ambient(light_players()))?;
    show("fair, ambient, one slot kept for live", &with_ambient(keeping(light_players(), 1)))?;
    show("fair, flood and ambient", &with_ambient(flooded.clone()))?;
    show("fair, flood and ambient, 2 at once per player", &capped(with_ambient(flooded), 2))?;
    for seconds in [86_400, 15, 8, 4] {
        show(&format!("60 light players, patience {seconds} s"), &patient(60, seconds))?;
    }
    Ok(())
}

fn show(name: &str, scenario: &Scenario) -> Result<(), PlanError> {
    let outcome = simulate(scenario)?;
    let (live, ambient) = (outcome.of(Class::Live).first_token, outcome.of(Class::Ambient));
    let [p50, p95, p99] = [live.p50, live.p95, live.p99].map(|time| time.as_secs_f64());
    let (busy, share, jain) = (outcome.utilisation, outcome.flood_token_share, outcome.jain);
    let (shed, ambient) =
        (100.0 * outcome.shed_share, 100.0 * ambient.answered as f64 / ambient.asked.max(1) as f64);
    println!(
        "{name:45} {p50:6.2} {p95:6.2} {p99:6.2}   {busy:.2}     {share:.2} {jain:.3} {shed:5.1} {ambient:7.1}"
    );
    Ok(())
}

fn keeping(scenario: Scenario, kept_for_live: u32) -> Scenario {
    Scenario { admission: AdmissionSettings { kept_for_live, ..scenario.admission }, ..scenario }
}

fn capped(scenario: Scenario, concurrent: u32) -> Scenario {
    Scenario { habits: Habits { concurrent, ..scenario.habits }, ..scenario }
}

fn patient(players: u32, seconds: u64) -> Scenario {
    let mut scenario = Scenario { players, ..light_players() };
    scenario.admission.live.patience_ms = seconds * 1_000;
    scenario
}
