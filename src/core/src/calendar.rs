//! Points in time by the Gregorian calendar, in UTC and without leap seconds: the one place that counts days.

use std::fmt;

const DAY: u64 = 86_400;
/// The last year that has four digits.
const LAST_YEAR: u64 = 9999;

/// A second, from 1970-01-01 to 9999-12-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    year: u64,
    month: u64,
    day: u64,
    /// Since midnight; that of a leap second is counted as the next day's first.
    seconds: u64,
}

/// Days of the months of a year.
fn months(year: u64) -> [u64; 12] {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if leap { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

impl Utc {
    /// The time of a clock that counts seconds since 1970; later ones than can be said are the last day's.
    pub fn of_unix(seconds: u64) -> Self {
        let (mut days, seconds) = (seconds / DAY, seconds % DAY);
        let mut year = 1970;
        while year < LAST_YEAR && days >= months(year).iter().sum() {
            days -= months(year).iter().sum::<u64>();
            year += 1;
        }
        let mut month = 1;
        for length in months(year).into_iter().take(11) {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        Self {
            year,
            month,
            day: days.min(30) + 1,
            seconds,
        }
    }

    /// A date and a time of day; `None` where there is no such.
    fn of_parts([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<Self> {
        let known = (1970..=LAST_YEAR).contains(&year) && (1..=12).contains(&month);
        let length = known.then(|| months(year).into_iter().zip(1..).find(|of| of.1 == month));
        let (length, _) = length.flatten()?;
        let exists = (1..=length).contains(&day) && hour < 24 && minute < 60 && second <= 60;
        exists.then_some(Self {
            year,
            month,
            day,
            seconds: hour * 3600 + minute * 60 + second,
        })
    }

    /// Seconds since 1970.
    pub fn unix(self) -> u64 {
        let years = (1970..self.year).flat_map(months);
        let before = months(self.year).into_iter().zip(1..self.month);
        let days: u64 = years.chain(before.map(|(length, _)| length)).sum();
        (days + self.day - 1) * DAY + self.seconds
    }

    /// As `20130524T000000Z`, the short form of ISO 8601.
    pub fn basic(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }

    /// Reads a `Date` header, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). The two obsolete
    /// forms are not read: nobody has sent them for decades.
    pub fn of_http(text: &str) -> Option<Self> {
        const NAMES: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let (_, rest) = text.split_once(", ")?;
        let words: Vec<&str> = rest.strip_suffix(" GMT")?.split(' ').collect();
        let [day, name, year, time] = words.as_slice() else {
            return None;
        };
        let name = Some(*name).filter(|name| name.len() == 3)?;
        let month = NAMES.find(name).filter(|at| at.is_multiple_of(3))? / 3 + 1;
        let month = u64::try_from(month).ok()?;
        Self::of_parts([number(year)?, month, number(day)?], three(time, ':')?)
    }
}

/// As RFC 3339 has it, to the second.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (
            self.seconds / 3600,
            self.seconds / 60 % 60,
            self.seconds % 60,
        );
        let Self {
            year, month, day, ..
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Seconds since 1970 of an RFC 3339 time of any zone, whose offset may be written without its colon.
pub fn rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let (time, zone) = rest.split_at_checked(rest.find(['Z', 'z', '+', '-'])?)?;
    let whole = time.split('.').next()?;
    let local = Utc::of_parts(three(date, '-')?, three(whole, ':')?)?.unix();
    let digits = zone.get(1..)?.replacen(':', "", 1);
    let offset = match digits.len() {
        4 => number(digits.get(..2)?)? * 3600 + number(digits.get(2..)?)? * 60,
        0 => 0,
        _ => return None,
    };
    match (zone.as_bytes().first()?, digits.len()) {
        (b'Z' | b'z', 0) => Some(local),
        (b'+', 4) => local.checked_sub(offset),
        (b'-', 4) => Some(local + offset),
        _ => None,
    }
}

/// Three numbers with this between them.
fn three(text: &str, between: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text.split(between).map(number).collect();
    parts?.try_into().ok()
}

/// Digits alone: no sign, and few enough for every sum that is made of them.
fn number(text: &str) -> Option<u64> {
    let usual = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    usual.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn times_are_written_and_read() {
        // The numbers are those of date -u +%s.
        for (unix, shown, http) in [
            (0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (
                784_111_777,
                "1994-11-06T08:49:37Z",
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (
                951_782_400,
                "2000-02-29T00:00:00Z",
                "Tue, 29 Feb 2000 00:00:00 GMT",
            ),
            (
                951_868_800,
                "2000-03-01T00:00:00Z",
                "Wed, 01 Mar 2000 00:00:00 GMT",
            ),
            (
                1_369_353_600,
                "2013-05-24T00:00:00Z",
                "Fri, 24 May 2013 00:00:00 GMT",
            ),
            (
                1_709_251_199,
                "2024-02-29T23:59:59Z",
                "Thu, 29 Feb 2024 23:59:59 GMT",
            ),
            (
                1_735_689_600,
                "2025-01-01T00:00:00Z",
                "Wed, 01 Jan 2025 00:00:00 GMT",
            ),
            (
                1_798_761_599,
                "2026-12-31T23:59:59Z",
                "Thu, 31 Dec 2026 23:59:59 GMT",
            ),
            (
                4_107_542_400,
                "2100-03-01T00:00:00Z",
                "Mon, 01 Mar 2100 00:00:00 GMT",
            ),
            (
                253_402_300_799,
                "9999-12-31T23:59:59Z",
                "Fri, 31 Dec 9999 23:59:59 GMT",
            ),
        ] {
            assert_eq!(Utc::of_unix(unix).to_string(), shown);
            assert_eq!(Utc::of_http(http).map(Utc::unix), Some(unix), "{http}");
            assert_eq!(rfc3339(shown), Some(unix), "{shown}");
        }
        assert_eq!(Utc::of_unix(784_111_777).basic(), "19941106T084937Z");
        assert_eq!(&Utc::of_unix(u64::MAX).basic()[..8], "99991231");
    }

    #[test]
    fn other_texts_are_no_dates_of_http() {
        for text in [
            "",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(Utc::of_http(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_any_zone_is_a_moment() {
        for (text, expected) in [
            ("2000-02-29T12:00:00+0000", Some(951_825_600)),
            ("2030-01-02T03:04:05.5+01:00", Some(1_893_549_845)),
            ("2030-01-02t03:04:05-0100", Some(1_893_557_045)),
            ("2030-01-02 03:04:05z", Some(1_893_553_445)),
            // A leap second is the next one's.
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("1970-01-01T00:00:00+01:00", None),
            ("2030-13-02T03:04:05Z", None),
            ("2030-02-29T03:04:05Z", None),
            ("2030-01-02T03:04:05", None),
            ("2030-01-02T03:04Z", None),
            ("2030-01-02T03:04:05+1", None),
            ("2030-01-02T03:04:05Z+0100", None),
            ("2030-01-02", None),
            ("-1-1-1T0:0:0Z", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(unix in 0..=253_402_300_799_u64) {
            let time = Utc::of_unix(unix);
            prop_assert_eq!(time.unix(), unix);
            prop_assert_eq!(rfc3339(&time.to_string()), Some(unix));
            // Texts of one form are in the order of the times.
            prop_assert!(unix == 0 || Utc::of_unix(unix - 1).to_string() < time.to_string());
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,30}|[0-9TZ:.+-]{0,30}") {
            let _ = (rfc3339(&text), Utc::of_http(&text));
        }
    }
}
