//! Small values with rules: paths, modes, GUIDs, digests.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::hex::{self, Hex};

/// Why a scalar was refused, in words that follow "… is not …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScalarError(pub String);

pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, ScalarError> {
    Err(ScalarError(why.into()))
}

/// An absolute, clean path: no `.`, `..`, double or final slash, no NUL. Meant below a root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysPath(Arc<str>);

/// PATH_MAX of Linux, which counts the final NUL.
const PATH_MAX: usize = 4096;
/// NAME_MAX of Linux.
pub(super) const NAME_MAX: usize = 255;

impl SysPath {
    /// The root itself.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Parses a path.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.is_empty() {
            return refuse("the path is empty");
        }
        let Some(rest) = text.strip_prefix('/') else {
            return refuse("the path is not absolute");
        };
        if text.len() >= PATH_MAX {
            return refuse(format!("the path is longer than {} bytes", PATH_MAX - 1));
        }
        if text.contains('\0') {
            return refuse("the path holds a NUL character");
        }
        if rest.is_empty() {
            return Ok(Self::root());
        }
        for part in rest.split('/') {
            match part {
                "" => return refuse("the path has an empty component (a double or final slash)"),
                "." | ".." => return refuse(format!("the path has the component {part:?}")),
                _ if part.len() > NAME_MAX => {
                    return refuse(format!(
                        "a component of the path is longer than {NAME_MAX} bytes"
                    ));
                }
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below the root, without the first slash; empty for the root.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// Number of components.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// The components.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<SysPath> {
        let (parent, name) = self.0.rsplit_once('/')?;
        match (parent, name) {
            (_, "") => None,
            ("", _) => Some(Self::root()),
            (parent, _) => Some(Self(parent.into())),
        }
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// All directories above, outermost first, without the root.
    pub fn ancestors(&self) -> Vec<SysPath> {
        let mut list: Vec<SysPath> = std::iter::successors(self.parent(), SysPath::parent)
            .filter(|path| &*path.0 != "/")
            .collect();
        list.reverse();
        list
    }

    /// The path with a further relative part, which must be clean itself.
    pub fn join(&self, part: &str) -> Result<SysPath, ScalarError> {
        let base = if &*self.0 == "/" { "" } else { &*self.0 };
        Self::parse(&format!("{base}/{part}"))
    }

    /// Whether the path is `other` or lies below it.
    pub fn is_below(&self, other: &SysPath) -> bool {
        &*other.0 == "/"
            || self
                .0
                .strip_prefix(&*other.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for SysPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SysPath {
    type Error = ScalarError;
    fn try_from(text: String) -> Result<Self, ScalarError> {
        Self::parse(&text)
    }
}

impl From<SysPath> for String {
    fn from(path: SysPath) -> String {
        path.as_str().into()
    }
}

/// Permission bits, 0 to 0o7777.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mode(u32);

impl Mode {
    /// Default of new files.
    pub const FILE: Mode = Mode(0o644);
    /// Files that nobody but their owner reads.
    pub const OWNER_ONLY: Mode = Mode(0o600);
    /// Directories that nobody but their owner enters.
    pub const OWNER_DIRECTORY: Mode = Mode(0o700);
    /// Default of new directories.
    pub const DIRECTORY: Mode = Mode(0o755);

    /// Checks the range.
    pub fn new(bits: i64) -> Result<Self, ScalarError> {
        match u32::try_from(bits) {
            Ok(bits) if bits <= 0o7777 => Ok(Self(bits)),
            _ => refuse("file modes go from 0 to 4095 (octal 7777)"),
        }
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A user number. 4294967295 means "unchanged" to the kernel and is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Uid(pub u32);

/// A group number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gid(pub u32);

/// Checks the range of user and group numbers.
pub fn account_number(number: i64) -> Result<u32, ScalarError> {
    match u32::try_from(number) {
        Ok(number) if number != u32::MAX => Ok(number),
        _ => refuse("user and group numbers go from 0 to 4294967294"),
    }
}

/// A GUID in the order in which it is read (RFC 9562), not in that of GPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The GUID of unused entries.
    pub const ZERO: Guid = Guid([0; 16]);

    /// Parses `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        let bytes = text.as_bytes();
        let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let hyphens = (0..36).all(|at| !hyphen(at) || bytes.get(at) == Some(&b'-'));
        let digits = bytes.iter().enumerate().filter(|(at, _)| !hyphen(*at));
        let digits: Vec<u8> = digits.map(|(_, byte)| *byte).collect();
        match hex::decode(&digits) {
            Some(guid) if hyphens => Ok(Self(guid)),
            _ => refuse(
                "a GUID is written as xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in hexadecimal digits",
            ),
        }
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e] = [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| Hex(&self.0[part]));
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl TryFrom<String> for Guid {
    type Error = ScalarError;
    fn try_from(text: String) -> Result<Self, ScalarError> {
        Self::parse(&text)
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> String {
        guid.to_string()
    }
}

/// What contents must hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256
    Sha256([u8; 32]),
    /// SHA-512
    Sha512([u8; 64]),
}

impl Digest {
    /// Parses `sha256-<hex>` or `sha512-<hex>`; digits may be of either case.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        let Some((function, digits)) = text.split_once('-') else {
            return refuse("a hash is written as sha512-<hex> or sha256-<hex>");
        };
        match function {
            "sha256" => sum(digits).map(Digest::Sha256),
            "sha512" => sum(digits).map(Digest::Sha512),
            _ => refuse(format!(
                "unknown hash function {function:?}: sha512 and sha256 are known"
            )),
        }
    }
}

impl Digest {
    /// Whether contents hash to it.
    pub fn fits(&self, contents: &[u8]) -> bool {
        match self {
            Digest::Sha256(sum) => sha2::Sha256::digest(contents)[..] == sum[..],
            Digest::Sha512(sum) => sha2::Sha512::digest(contents)[..] == sum[..],
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes): (_, &[u8]) = match self {
            Digest::Sha256(bytes) => ("sha256", bytes),
            Digest::Sha512(bytes) => ("sha512", bytes),
        };
        write!(f, "{name}-{}", Hex(bytes))
    }
}

fn sum<const N: usize>(digits: &str) -> Result<[u8; N], ScalarError> {
    if digits.len() != 2 * N || !digits.is_ascii() {
        return refuse(format!(
            "the hash needs {} hexadecimal digits, it has {}",
            2 * N,
            digits.len()
        ));
    }
    hex::decode(digits.as_bytes())
        .ok_or_else(|| ScalarError("the hash has a character that is no hexadecimal digit".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_clean() {
        for good in ["/", "/a", "/a/b.c", "/a/..b", "/é"] {
            assert_eq!(SysPath::parse(good).map(|p| p.to_string()), Ok(good.into()));
        }
        for bad in [
            "",
            "a",
            "/a/",
            "//a",
            "/a/../b",
            "/./a",
            "/..",
            "/a\0b",
            &"/a".repeat(2048),
        ] {
            assert!(SysPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_know_their_family() {
        let path = SysPath::parse("/a/b/c").unwrap();
        let ancestors: Vec<String> = path.ancestors().iter().map(ToString::to_string).collect();
        assert_eq!(ancestors, ["/a", "/a/b"]);
        assert!(path.is_below(&SysPath::parse("/a/b").unwrap()));
        assert!(
            !SysPath::parse("/ab")
                .unwrap()
                .is_below(&SysPath::parse("/a").unwrap())
        );
        assert_eq!(
            SysPath::parse("/a").unwrap().parent(),
            Some(SysPath::root())
        );
        assert_eq!(SysPath::root().parent(), None);
    }

    #[test]
    fn digests_and_guids_round_trip() {
        let guid = "0fc63daf-8483-4772-8e79-3d69d8477de4";
        assert_eq!(Guid::parse(guid).unwrap().to_string(), guid);
        assert_eq!(Guid::parse(&guid.to_uppercase()), Guid::parse(guid));
        assert!(Guid::parse("0fc63daf84834772-8e79-3d69d8477de4----").is_err());
        for digest in [
            format!("sha256-{}", "0a".repeat(32)),
            format!("sha512-{}", "a9".repeat(64)),
        ] {
            assert_eq!(Digest::parse(&digest).unwrap().to_string(), digest);
            let upper = digest.to_uppercase().replace("SHA", "sha");
            assert_eq!(Digest::parse(&upper), Digest::parse(&digest));
        }
    }

    #[test]
    fn other_texts_are_no_digest() {
        let of =
            |function: &str, digits: &str, times| format!("{function}-{}", digits.repeat(times));
        for (text, why) in [
            (String::new(), "a hash is written as"),
            ("md5-00".into(), "unknown hash function \"md5\""),
            ("SHA256-00".into(), "unknown hash function \"SHA256\""),
            ("sha256-".into(), "needs 64 hexadecimal digits, it has 0"),
            (of("sha256", "0", 63), "it has 63"),
            (of("sha256", "0", 65), "it has 65"),
            (of("sha256", "+0", 32), "no hexadecimal digit"),
            (of("sha256", "é", 32), "needs 64 hexadecimal digits"),
            (
                of("sha512", "0", 64),
                "needs 128 hexadecimal digits, it has 64",
            ),
        ] {
            let error = Digest::parse(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
