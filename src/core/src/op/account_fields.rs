//! What operations on accounts are made of: texts that fit into a line of passwd(5) and into an
//! argument of useradd(8). Whatever a config says, they hold no second line and are no option.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::facts::accounts::password_digest;
use crate::model::ScalarError;

/// A name that the account tools take for a name: no option, no number, no list, no path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AccountName(String);

/// LOGIN_NAME_MAX of Linux, which counts the final NUL.
const LOGIN_NAME_MAX: usize = 256;

impl AccountName {
    /// Parses a name. Which letters it may hold is the distribution's own rule, kept by its tools.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        let refuse = |why: &str| Err(ScalarError(why.into()));
        if text.is_empty() {
            return refuse("the name is empty");
        }
        if text.len() >= LOGIN_NAME_MAX {
            return refuse("the name is longer than 255 bytes");
        }
        if text.starts_with(['-', '+']) {
            return refuse("the name begins with - or +");
        }
        if text == "." || text == ".." {
            return refuse("the name means a directory");
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("the name is a number");
        }
        match text
            .chars()
            .find(|c| c.is_control() || c.is_whitespace() || ":,/".contains(*c))
        {
            Some(c) => refuse(&format!("the name holds the character {c:?}")),
            None => Ok(Self(text.into())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A text that fits into one field of passwd(5): no colon, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field(String);

/// Longest field, far below the 8192 bytes of a line at which the tools stop reading.
const FIELD_MAX: usize = 4096;

impl Field {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.len() > FIELD_MAX {
            return Err(ScalarError(format!("it is longer than {FIELD_MAX} bytes")));
        }
        match text.chars().find(|c| c.is_control() || *c == ':') {
            Some(c) => Err(ScalarError(format!("it holds the character {c:?}"))),
            None => Ok(Self(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The hash of a password as crypt(5) writes it. Printing and serializing never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Field);

impl PasswordHash {
    /// Takes a hash; the empty one means that no password is right, which is written `*`.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        match text {
            "" => Self::parse("*"),
            text => Field::parse(text).map(Self),
        }
    }

    /// The hash itself, for the program that sets it.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }

    /// The digest that facts know the hash by.
    pub fn digest(&self) -> String {
        password_digest(self.reveal())
    }

    /// Whether no password is right.
    pub fn is_none(&self) -> bool {
        self.reveal() == "*"
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

impl Serialize for PasswordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_only_be_names() {
        for good in ["core", "_x", "www-data", "a.b", "Ärger", "x$", "7of9"] {
            assert_eq!(AccountName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-x",
            "--root",
            "+",
            "a:b",
            "a\nb",
            "a,b",
            "a/b",
            "../x",
            ".",
            "..",
            "a b",
            "a\0",
            "a\u{85}",
            "1000",
            &"a".repeat(256),
        ] {
            assert!(AccountName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fields_cannot_hold_a_second_line() {
        for bad in [
            "a:b",
            "a\nroot::0:0::/:/bin/sh",
            "\r",
            "\0",
            &"a".repeat(4097),
        ] {
            assert!(Field::parse(bad).is_err(), "{bad:?}");
            assert!(PasswordHash::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Field::parse("Ünal, Room 1").unwrap().as_str(),
            "Ünal, Room 1"
        );
    }
}
