//! Tokens of players and codes of invites: made, read, and hashed. The secrets themselves are never kept.
//!
//! A secret is 32 random bytes, so that one pass of SHA-256 is enough: there is nothing to guess. The pepper
//! lies in a file of the host, so that a stolen database alone lets nobody in, and nobody can put a token
//! into it.

use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::model::SecretHash;

/// The random bytes of a token's secret, and of an invite's code, which people type.
const TOKEN_BYTES: usize = 32;
const CODE_BYTES: usize = 10;
/// Letters and digits that nobody mistakes for each other: Crockford's.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BITS_PER_LETTER: u32 = 5;
/// What a token begins with, for people and for programs that look for secrets in the wrong place.
const TOKEN_START: &str = "mdh";
/// The letters of an invite between two dashes.
const CODE_GROUP: usize = 4;
/// Longer texts are no tokens.
const TEXT_BYTES_MAX: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("this is not a token of a host: it looks like `mdh_<id>_<secret>`")]
    NotAToken,
    #[error("this is not an invite: it looks like `abcd-efgh-jkmn-pqrs`")]
    NotAnInvite,
    #[error("a pepper has at least 16 bytes")]
    PepperTooShort,
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// What the host mixes into each hash. Kept apart from the database.
pub struct Pepper(SecretBox<[u8]>);

impl Pepper {
    const BYTES_MIN: usize = 16;

    /// # Errors
    /// If it is too short to be a secret.
    pub fn new(bytes: Vec<u8>) -> Result<Pepper, SecretError> {
        if bytes.len() < Self::BYTES_MIN {
            return Err(SecretError::PepperTooShort);
        }
        Ok(Pepper(SecretBox::new(bytes.into_boxed_slice())))
    }

    /// A new one, to be kept in a file.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate() -> Result<(Pepper, String), SecretError> {
        let text = random_letters(TOKEN_BYTES)?;
        Ok((Pepper::new(text.as_bytes().to_vec())?, text.to_string()))
    }

    fn hash(&self, kind: &str, secret: &str) -> SecretHash {
        let hash = Sha256::new();
        // The length stands between pepper and secret, so that no two pairs are the same bytes.
        let pepper = self.0.expose_secret();
        let hash = hash.chain_update((pepper.len() as u64).to_le_bytes()).chain_update(pepper);
        SecretHash(hash.chain_update(kind).chain_update([0]).chain_update(secret).finalize().into())
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

impl SecretHash {
    /// Takes the same time wherever they differ.
    pub fn is(&self, other: &SecretHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// What a device of a player shows: `mdh_<id>_<secret>`.
pub struct PlayerToken {
    id: String,
    secret: Zeroizing<String>,
}

impl PlayerToken {
    /// # Errors
    /// If the system has no randomness.
    pub fn generate() -> Result<PlayerToken, SecretError> {
        let id = ulid::Ulid::new().to_string().to_lowercase();
        Ok(PlayerToken { id, secret: random_letters(TOKEN_BYTES)? })
    }

    /// # Errors
    /// If it does not look like one. The message holds nothing of it.
    pub fn parse(text: &str) -> Result<PlayerToken, SecretError> {
        let parts: Vec<&str> = text.splitn(3, '_').collect();
        match parts[..] {
            [TOKEN_START, id, secret]
                if text.len() <= TEXT_BYTES_MAX && is_letters(id) && is_letters(secret) =>
            {
                Ok(PlayerToken { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) })
            }
            _ => Err(SecretError::NotAToken),
        }
    }

    /// Names it in the database. No secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn hash(&self, pepper: &Pepper) -> SecretHash {
        pepper.hash("token", &self.secret)
    }

    /// For the player, once.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{TOKEN_START}_{}_{}", self.id, self.secret.as_str()))
    }
}

impl fmt::Debug for PlayerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlayerToken({}, …)", self.id)
    }
}

/// What an operator gives to somebody who may come in: `abcd-efgh-jkmn-pqrs`.
pub struct InviteCode(Zeroizing<String>);

impl InviteCode {
    /// # Errors
    /// If the system has no randomness.
    pub fn generate() -> Result<InviteCode, SecretError> {
        Ok(InviteCode(random_letters(CODE_BYTES)?))
    }

    /// Reads what somebody typed: dashes, blanks and capitals do not matter, nor o for 0 and i or l for 1.
    ///
    /// # Errors
    /// If it does not look like one.
    pub fn parse(text: &str) -> Result<InviteCode, SecretError> {
        let typed = text.chars().take(TEXT_BYTES_MAX).filter(|letter| !matches!(letter, '-' | ' '));
        let meant = typed.map(|letter| match letter.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            letter => letter,
        });
        let code = Zeroizing::new(meant.collect::<String>());
        let is_whole = code.len() == letters_of(CODE_BYTES) && is_letters(&code);
        is_whole.then_some(InviteCode(code)).ok_or(SecretError::NotAnInvite)
    }

    pub fn hash(&self, pepper: &Pepper) -> SecretHash {
        pepper.hash("invite", &self.0)
    }

    /// For the one who is invited.
    pub fn expose(&self) -> Zeroizing<String> {
        let letters: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = letters.chunks(CODE_GROUP).map(String::from_iter).collect();
        Zeroizing::new(groups.join("-"))
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(…)")
    }
}

const fn letters_of(bytes: usize) -> usize {
    (bytes * 8).div_ceil(BITS_PER_LETTER as usize)
}

fn is_letters(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| LETTERS.contains(&byte))
}

fn random_letters(bytes: usize) -> Result<Zeroizing<String>, SecretError> {
    let mut random = Zeroizing::new(vec![0; bytes]);
    getrandom::fill(&mut random).map_err(|_| SecretError::NoRandomness)?;
    let mut letters = Zeroizing::new(String::with_capacity(letters_of(bytes)));
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in random.iter() {
        (bits, held) = (bits << 8 | u32::from(*byte), held + 8);
        while held >= BITS_PER_LETTER {
            held -= BITS_PER_LETTER;
            letters.push(char::from(LETTERS[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        letters.push(char::from(LETTERS[(bits << (BITS_PER_LETTER - held) & 31) as usize]));
    }
    Ok(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(text: &str) -> Pepper {
        Pepper::new(text.as_bytes().to_vec()).expect("long enough")
    }

    #[test]
    fn a_token_reads_as_it_was_written() {
        let token = PlayerToken::generate().expect("random");
        let text = token.expose();
        assert_eq!((text.len(), &text[..4]), (4 + 26 + 1 + 52, "mdh_"));
        let read = PlayerToken::parse(&text).expect("a token");
        let (ours, theirs) = (pepper("a pepper of this host"), pepper("a pepper of that host"));
        assert_eq!(read.id(), token.id());
        assert!(read.hash(&ours).is(&token.hash(&ours)));
        assert!(!read.hash(&ours).is(&token.hash(&theirs)));
        assert!(!PlayerToken::generate().expect("random").hash(&ours).is(&token.hash(&ours)));
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let token = PlayerToken::parse("mdh_0abc_verysecret").expect("a token");
        let code = InviteCode::parse("abcd-efgh-jkmn-pqrs").expect("an invite");
        let shown = format!("{token:?} {code:?} {:?}", pepper("verysecretpepper"));
        assert_eq!(shown, "PlayerToken(0abc, …) InviteCode(…) Pepper(…)");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in
            ["", "mdh", "mdh__", "mdh_a", "mdh_a_", "mdh__b", "xyz_a_b", "mdh_a_B", "mdh_a_b_c", "mdh_a_ä"]
        {
            assert_eq!(PlayerToken::parse(text).err(), Some(SecretError::NotAToken), "{text}");
        }
        assert!(PlayerToken::parse(&format!("mdh_a_{}", "b".repeat(TEXT_BYTES_MAX))).is_err());
    }

    #[test]
    fn an_invite_is_read_as_people_type_it() {
        let ours = pepper("a pepper of this host");
        let hash = |text: &str| InviteCode::parse(text).expect("an invite").hash(&ours);
        assert!(hash("0bc1-efgh-jkmn-pqrs").is(&hash(" OBCL EFGHJKMNPQRS")));
        let code = InviteCode::generate().expect("random");
        assert!(hash(&code.expose()).is(&code.hash(&ours)));
        assert_eq!(code.expose().len(), 19);
        for text in [
            "",
            "abcd",
            "abcd-efgh-jkmn-pqr",
            "abcd-efgh-jkmn-pqrst",
            "abcd-efgh-jkmn-pqru",
            "ébcd-efgh-jkmn-pqr",
        ] {
            assert_eq!(InviteCode::parse(text).err(), Some(SecretError::NotAnInvite), "{text}");
        }
    }

    #[test]
    fn a_pepper_is_not_short() {
        assert_eq!(Pepper::new(vec![1; 15]).err(), Some(SecretError::PepperTooShort));
        let (pepper, text) = Pepper::generate().expect("random");
        let again = Pepper::new(text.into_bytes()).expect("long enough");
        let token = PlayerToken::generate().expect("random");
        assert!(token.hash(&pepper).is(&token.hash(&again)));
    }
}
