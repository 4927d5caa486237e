//! Contents that an operation writes: named by digest, shown without secrets.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex;

/// Where contents come from when the operation is performed.
#[derive(Clone, PartialEq, Eq)]
pub enum ContentSource {
    /// They are known: the text of a unit, a `data:` URL.
    Inline(Arc<[u8]>),
    /// They were or will be fetched; the key finds them in the blob store.
    Fetched {
        /// [`crate::model::Resource`]'s key in the blob store.
        key: String,
    },
}

/// Contents to be written. Printing and serializing show origin, length and digest, never the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// How the origin is shown: a URL without secrets, "unit text".
    pub shown: Cow<'static, str>,
    /// Where the bytes come from.
    pub source: ContentSource,
    /// SHA-256 of the bytes in hexadecimal digits, where known before they are written.
    pub sha256: Option<String>,
    /// Length in bytes, where known.
    pub len: Option<u64>,
}

impl Content {
    /// Known contents.
    pub fn inline(shown: impl Into<Cow<'static, str>>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self {
            shown: shown.into(),
            sha256: Some(hex::encode(&Sha256::digest(&bytes))),
            len: Some(bytes.len() as u64),
            source: ContentSource::Inline(bytes),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)?;
        match self.len {
            Some(len) => write!(f, " ({len} bytes)"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("shown", &self.shown)
            .field("sha256", &self.sha256)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Content", 3)?;
        out.serialize_field("from", &self.shown)?;
        out.serialize_field("sha256", &self.sha256)?;
        out.serialize_field("bytes", &self.len)?;
        out.end()
    }
}
