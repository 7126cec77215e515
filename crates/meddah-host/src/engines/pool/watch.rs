//! Looks after one engine: probes it, tries it after a rest, and finds out when it is done with what was left.

use std::sync::Arc;
use std::time::Duration;

use meddah_inference::ladder::Pass;
use tokio::time::Instant;

use super::Pool;
use super::trial::Trial;

/// An engine needs a moment to notice that a connection is gone.
const LEFT_SETTLES: Duration = Duration::from_millis(50);
/// While slots linger, it is asked this often whether they are free.
const LINGER_PROBE_EVERY: Duration = Duration::from_millis(250);

/// Never ends.
pub(super) async fn watch(pool: &Arc<Pool>, engine: usize) {
    loop {
        let started = Instant::now();
        probe(pool, engine).await;
        try_again(pool, engine).await;
        // What is left shortly after another is asked about together with it.
        let soonest = started + LINGER_PROBE_EVERY;
        tokio::select! {
            () = tokio::time::sleep(pause(pool, engine)) => {}
            () = left(pool, engine) => tokio::time::sleep_until(soonest.max(Instant::now() + LEFT_SETTLES)).await,
        }
    }
}

/// Until the next look.
fn pause(pool: &Pool, engine: usize) -> Duration {
    let members = pool.lock();
    let member = &members[engine];
    let every = pool.settings.probe_every;
    match (member.lingering.is_empty(), member.is_resting || member.is_suspect) {
        (false, _) => LINGER_PROBE_EVERY.min(every),
        // A rest of any length ends within a second.
        (true, true) => Duration::from_secs(1).min(every),
        (true, false) => every,
    }
}

/// Something was left at the engine, or failed there.
async fn left(pool: &Pool, engine: usize) {
    loop {
        pool.look[engine].notified().await;
        let members = pool.lock();
        if !members[engine].lingering.is_empty() || members[engine].is_suspect {
            return;
        }
    }
}

async fn probe(pool: &Pool, engine: usize) {
    let (port, sent) = {
        let members = pool.lock();
        (members[engine].engine.clone(), (Instant::now(), members[engine].running))
    };
    let answer = port.probe().await;
    let now = Instant::now();
    let (is_new, slots) = pool.change(engine, |member| {
        member.forget_lingering(now);
        let is_new = match &answer {
            Ok(facts) => member.probed(facts.clone(), sent, now),
            Err(error) => member.probe_failed(error, now),
        };
        (is_new, member.slots())
    });
    match answer {
        Ok(facts) if is_new => {
            tracing::info!(engine = port.name(), dialect = facts.dialect.name(), slots, "an engine is up")
        }
        Err(error) if is_new => {
            tracing::warn!(engine = port.name(), %error, help = error.help, "a probe failed")
        }
        _ => {}
    }
}

/// Tries an engine that is suspect, or whose rest is over. Only that closes the breaker: an engine may answer probes and
/// still fail at what it is there for.
async fn try_again(pool: &Pool, engine: usize) {
    let trial = {
        let members = pool.lock();
        let member = &members[engine];
        let is_full = member.running >= member.slots();
        match (member.is_up, member.is_suspect, member.is_resting) {
            (Some(true), true, false) if is_full => return, // a trial would only wait there
            (Some(true), true, _) => Some(Trial::of(member)),
            (Some(true), false, true) => match member.breaker.pass(Instant::now()) {
                Pass::Probe => Some(Trial::of(member)),
                Pass::Open => None,
                Pass::Resting(_) | Pass::Told(_) => return,
            },
            _ => return,
        }
    };
    let answered = match trial {
        Some(trial) => trial.ask(pool.settings.trial_wait).await,
        None => Ok(()),
    };
    let now = Instant::now();
    pool.change(engine, |member| match answered {
        // An engine that does not take the trial is one that answers.
        Err(error) if error.kind.is_retryable() => {
            member.trouble(&error, now);
            // Tried until it is certain; from then on the breaker says when.
            member.is_suspect = !member.is_resting;
        }
        _ => member.is_well(),
    });
}
