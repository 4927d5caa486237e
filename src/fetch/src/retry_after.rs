//! How long a server wants to be left alone.

use std::time::Duration;

use pilotlight_core::calendar::Utc;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// The pause that an answer asks for (RFC 9110, section 10.2.3).
///
/// A date is measured from the answer's own `Date`: this machine's clock may not be set yet.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(&RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let http_date = |text| Some(Utc::of_http(text)?.unix());
    let pause = http_date(after)?.saturating_sub(http_date(text(&DATE)?)?);
    Some(Duration::from_secs(pause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn of(after: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        retry_after(&headers).map(|pause| pause.as_secs())
    }

    #[test]
    fn seconds_or_a_date_by_the_servers_own_clock() {
        let date = Some("Sat, 21 Nov 2026 17:28:15 GMT");
        for (after, date, pause) in [
            ("7", None, Some(7)),
            (" 120 ", date, Some(120)),
            ("-1", date, None),
            ("soon", date, None),
            ("", date, None),
            ("Sat, 21 Nov 2026 17:28:45 GMT", date, Some(30)),
            ("Sat, 21 Nov 2026 17:28:45 GMT", None, None),
            ("Sat, 21 Nov 2026 17:28:45 GMT", Some("now"), None),
            ("Sat, 21 Nov 2026 17:00:00 GMT", date, Some(0)),
            ("Sun, 22 Nov 2026 17:28:15 GMT", date, Some(86_400)),
            ("Sat, 21 Nov 2026 17:28:45 CET", date, None),
            ("Sat, 21 Nov 2026 17:28 GMT", date, None),
            ("Sat, 99 Nov 99999 17:28:45 GMT", date, None),
        ] {
            assert_eq!(of(after, date), pause, "{after:?} at {date:?}");
        }
    }
}
