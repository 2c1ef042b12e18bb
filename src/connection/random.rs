use crate::error::SendError;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};

/// Where masking keys and the payloads of keepalive pings come from: a cryptographic generator
/// (ChaCha), which draws its output in blocks.
///
/// §5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong
/// source of entropy, and the masking key for a given frame MUST NOT make it simple for a server/proxy
/// to predict the masking key for a subsequent frame."
///
/// It is seeded when it is first needed, so a server that sends no pings never is.
#[derive(Debug, Default)]
pub(crate) struct Random(Option<Box<StdRng>>);

impl Random {
    /// A generator whose output can be repeated.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(Some(Box::new(StdRng::from_seed(seed))))
    }

    /// The next four bytes.
    ///
    /// # Errors
    /// The operating system gave no seed.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<[u8; 4], SendError> {
        match &mut self.0 {
            Some(generator) => Ok(generator.next_u32().to_ne_bytes()),
            None => self.first_key(),
        }
    }

    #[cold]
    fn first_key(&mut self) -> Result<[u8; 4], SendError> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(|_| SendError::NoRandomness)?;
        *self = Self::from_seed(seed);
        self.key()
    }
}
