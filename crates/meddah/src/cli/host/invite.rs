//! `meddah host invite`.

use meddah_host::front::join::new_invite;

use crate::cli::setup::Setup;
use crate::cli::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::day::{self, DAY_MS};
use crate::host::pepper;

#[derive(clap::Args)]
pub struct InviteArguments {
    /// How many players it lets in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    uses: u32,
    /// Their tier; without it the default one
    #[arg(long)]
    tier: Option<String>,
    /// How many days it works; without it for ever
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// What it is for, for yourself
    #[arg(long, default_value = "")]
    note: String,
    /// Where players reach the host, if the settings do not say
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub async fn run(setup: &Setup, arguments: InviteArguments) -> Result<u8, Failure> {
    let host = &setup.settings.host;
    let tier = arguments.tier.unwrap_or_else(|| host.default_tier.clone());
    if !host.tiers.contains_key(&tier) {
        let known: Vec<&str> = host.tiers.keys().map(String::as_str).collect();
        return Err(Failure::new(
            WRONG_USAGE,
            format!("there is no tier {tier:?}\nTiers are {}; [host.tiers] has them.", known.join(", ")),
        ));
    }
    let pepper = pepper(&setup.paths).map_err(|error| Failure::new(BAD_INPUT, error.to_string()))?;
    let expires_ms = arguments.days.map(|days| day::now_ms() + u64::from(days) * DAY_MS);
    let (code, invite) = new_invite(&pepper, &tier, arguments.uses, expires_ms, &arguments.note)
        .map_err(|error| Failure::new(1, error.to_string()))?;
    super::store(setup).await?.add_invite(&invite).await.map_err(super::failure)?;
    let url = match arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => super::status::public_url(setup).await,
    };
    print::line(&format!("{url}/join/{}", code.expose().as_str()));
    Ok(DONE)
}
