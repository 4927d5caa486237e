//! What a request over HTTP and its answer have for whoever asks and whoever fetches alike.

/// Method of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// GET: redirects are followed, and a body that breaks off is resumed.
    #[default]
    Get,
    /// PUT
    Put,
    /// POST
    Post,
    /// PATCH
    Patch,
}

/// A server's answer. It has no `Debug`: it may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case; one whose value is not text is left out.
    pub headers: Vec<(String, String)>,
    /// Body; empty unless the status is 2xx.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}
