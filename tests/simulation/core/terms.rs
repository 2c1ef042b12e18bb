use crate::support::choices::Choices;
#[cfg(feature = "deflate")]
use sansocket::Deflate;
use sansocket::{Agreement, Config, Keepalive, Role};
use std::time::Duration;

/// How one end is configured.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) role: Role,
    pub(super) max_frame: u64,
    pub(super) max_message: u64,
    pub(super) max_fragments: u32,
    pub(super) high_water_mark: usize,
    pub(super) fragment_size: Option<usize>,
    pub(super) streaming: bool,
    /// It takes no text, or no binary messages.
    pub(super) refuses_text: Option<bool>,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) message_timeout: Option<Duration>,
    pub(super) close_timeout: Duration,
    /// Messages may be compressed.
    pub(super) is_deflated: bool,
    #[cfg(feature = "deflate")]
    deflate: Deflate,
}

impl Terms {
    /// Terms for two ends, and what they have agreed on.
    pub(super) fn choose(choices: &mut Choices<'_>) -> ([Self; 2], Agreement) {
        let is_deflated = cfg!(feature = "deflate") && choices.one_in(3);
        #[cfg(feature = "deflate")]
        let agreement = match is_deflated {
            true => Agreement::new().with_deflate(deflate(choices).params()),
            false => Agreement::new(),
        };
        #[cfg(not(feature = "deflate"))]
        let agreement = Agreement::new();
        ([Role::Client, Role::Server].map(|role| Self::of(role, is_deflated, choices)), agreement)
    }

    fn of(role: Role, is_deflated: bool, choices: &mut Choices<'_>) -> Self {
        let small = choices.one_in(8);
        let millis = |choices: &mut Choices<'_>| Duration::from_millis(1 + choices.len(20_000) as u64);
        Self {
            role,
            max_frame: if small { choices.len(100_000) as u64 } else { 16 << 20 },
            max_message: if small { choices.len(100_000) as u64 } else { 16 << 20 },
            max_fragments: if small { choices.pick(&[65_536, 65_536, 0, 1, 5]) } else { 65_536 },
            high_water_mark: choices.pick(&[1 << 20, 1 << 20, 10_000, 1000, 100, 1]),
            fragment_size: choices.one_in(4).then(|| 16 + choices.len(9000)),
            streaming: choices.one_in(4),
            refuses_text: choices.one_in(40).then(|| choices.one_in(2)),
            keepalive: choices
                .one_in(3)
                .then(|| Keepalive { interval: millis(choices), timeout: millis(choices) }),
            message_timeout: choices.one_in(6).then(|| millis(choices)),
            close_timeout: choices.pick(&[
                Duration::from_secs(5),
                Duration::from_secs(5),
                Duration::from_millis(10),
                Duration::from_secs(60),
                Duration::ZERO,
            ]),
            is_deflated,
            #[cfg(feature = "deflate")]
            deflate: deflate(choices),
        }
    }

    pub(super) fn config(&self) -> Config {
        let mut config = Config::new()
            .max_frame_size(self.max_frame)
            .max_message_size(self.max_message)
            .max_fragments(self.max_fragments)
            .high_water_mark(self.high_water_mark)
            .streaming(self.streaming)
            .close_timeout(self.close_timeout);
        config = match self.refuses_text {
            Some(true) => config.binary_only(),
            Some(false) => config.text_only(),
            None => config,
        };
        if let Some(bytes) = self.fragment_size {
            config = config.fragment_size(bytes);
        }
        if let Some(keepalive) = self.keepalive {
            config = config.keepalive(keepalive);
        }
        if let Some(timeout) = self.message_timeout {
            config = config.message_timeout(timeout);
        }
        #[cfg(feature = "deflate")]
        if self.is_deflated {
            config = config.deflate(self.deflate.clone());
        }
        config
    }

    /// How many bytes a message of `len` takes in the output at most: data that cannot be compressed grows a little.
    pub(super) fn framed(&self, len: usize) -> usize {
        let frames = 1 + self.fragment_size.map_or(0, |size| len / size);
        let grown = if self.is_deflated { len / 8 + 32 * frames } else { 0 };
        len + grown + 14 * frames
    }
}

#[cfg(feature = "deflate")]
fn deflate(choices: &mut Choices<'_>) -> Deflate {
    Deflate::new()
        .level(choices.pick(&[1, 0, 6, 9]))
        .threshold(choices.pick(&[64, 0, 1000]))
        .server_no_context_takeover(choices.one_in(3))
        .client_no_context_takeover(choices.one_in(3))
        .server_max_window_bits(choices.pick(&[15, 8, 9, 10, 12, 15]))
        .client_max_window_bits(choices.pick(&[15, 8, 9, 10, 12, 15]))
}
