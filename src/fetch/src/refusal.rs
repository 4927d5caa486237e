//! What a store says when it refuses: codes in headers and in small XML documents.

use std::time::Duration;

use pilotlight_core::calendar::Utc;
use reqwest::Response;
use reqwest::header::{DATE, HeaderMap};

use crate::refusal_text::{element, is_word, region_of};

/// Most bytes that are read of a refusal; S3's are below two thousand.
const LIMIT: usize = 16 << 10;

/// Longest time that a refusal's text is waited for; without it the status has to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store's refusal.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: String,
}

impl Refusal {
    /// Takes an answer for one; its body is used up.
    pub(crate) async fn read(response: &mut Response) -> Self {
        let mut body = Vec::new();
        let reading = async {
            while body.len() < LIMIT
                && let Ok(Some(chunk)) = response.chunk().await
            {
                body.extend_from_slice(&chunk);
            }
        };
        // What came until then is looked at all the same.
        let _ = tokio::time::timeout(PATIENCE, reading).await;
        body.truncate(LIMIT);
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// The store's name for what is wrong: a word, or nothing.
    pub(crate) fn code(&self) -> &str {
        let told = self.header("x-ms-error-code");
        let code = told.or_else(|| element(&self.body, "Code"));
        code.filter(|code| is_word(code)).unwrap_or_default()
    }

    /// Status and code, `403 AccessDenied`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.status, self.code()).trim_end().into()
    }

    /// The region where S3 says that the bucket is.
    pub(crate) fn region(&self) -> Option<&str> {
        let told = self.header("x-amz-bucket-region");
        told.or_else(|| element(&self.body, "Region"))
            .or_else(|| element(&self.body, "Endpoint").and_then(region_of))
    }

    /// The server's time, in seconds since 1970.
    pub(crate) fn time(&self) -> Option<u64> {
        Some(Utc::of_http(self.headers.get(DATE)?.to_str().ok()?)?.unix())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_are_shown() {
        for (code, shown) in [
            ("NoSuchKey", "404 NoSuchKey"),
            ("", "404"),
            ("two words", "404"),
            ("\u{1b}[2J", "404"),
            (&"a".repeat(65), "404"),
        ] {
            let refusal = Refusal {
                status: 404,
                headers: HeaderMap::new(),
                body: format!("<Error><Code>{code}</Code></Error>"),
            };
            assert_eq!(refusal.name(), shown);
        }
    }
}
