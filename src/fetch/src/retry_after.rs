//! How long a server wants to be left alone.

use std::time::Duration;

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
    let pause = read_date(after)?.saturating_sub(read_date(text(&DATE)?)?);
    Some(Duration::from_secs(pause))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7) since the beginning of the year 0.
/// The two obsolete forms are not read: nobody has sent them for decades.
fn read_date(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.strip_suffix(" GMT")?.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)?;
    let year: u64 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split(':').map(str::parse::<u64>);
    let [Some(Ok(hour)), Some(Ok(minute)), Some(Ok(second)), None] =
        std::array::from_fn(|_| time.next())
    else {
        return None;
    };
    if year > 9999 || day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March have their leap day last (and 153 days in each five months from there).
    let month = u64::try_from(month).ok()? + 1;
    let year = if month > 2 {
        year
    } else {
        year.checked_sub(1)?
    };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
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

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        // From coreutils' date -u -d ... +%s.
        for (text, unix) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Mon, 31 Dec 2029 23:59:59 GMT", 1_893_455_999),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            let epoch = read_date("Thu, 01 Jan 1970 00:00:00 GMT").unwrap();
            assert_eq!(read_date(text), Some(epoch + unix), "{text}");
        }
    }
}
