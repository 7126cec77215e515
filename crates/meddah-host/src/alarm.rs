//! A timer for a moment that moves all the time.

use std::pin::Pin;

use tokio::time::{Instant, Sleep};

/// Waits for moments that usually move on before they come, as the one at which a stream was silent for too long: it
/// is set anew when it goes off too early, and not with each of a stream's many pieces.
pub(crate) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    pub fn new(first: Instant) -> Alarm {
        Alarm(Box::pin(tokio::time::sleep_until(first)))
    }

    /// Comes at this moment.
    pub async fn at(&mut self, moment: Instant) {
        if self.0.deadline() > moment {
            self.0.as_mut().reset(moment);
        }
        loop {
            self.0.as_mut().await;
            if Instant::now() >= moment {
                return;
            }
            self.0.as_mut().reset(moment);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_comes_at_the_moment_of_the_last_call_wherever_it_was_set_before() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut alarm = Alarm::new(start + 5 * second);
        assert!(tokio::time::timeout(2 * second, alarm.at(start + 7 * second)).await.is_err());
        alarm.at(start + 9 * second).await;
        assert_eq!(start.elapsed(), 9 * second, "not at 5, nor at 7");
        alarm.at(start + 8 * second).await;
        assert_eq!(start.elapsed(), 9 * second, "it is past");
        assert!(tokio::time::timeout(second, alarm.at(start + 20 * second)).await.is_err());
        alarm.at(start + 12 * second).await;
        assert_eq!(start.elapsed(), 12 * second, "sooner than it was set for");
    }
}
