//! Points in time as servers write them: no time zone, no leap seconds.

/// Days of the months of a year.
fn months(year: u64) -> [u64; 12] {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if leap { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Seconds since 1970 as `20130524T000000Z`, the short form of ISO 8601; the year 9999 is the last.
pub(crate) fn iso_date(unix: u64) -> String {
    let (mut days, seconds) = (unix / 86400, unix % 86400);
    let mut year = 1970;
    while year < 9999 && days >= months(year).iter().sum() {
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
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let day = days.min(30) + 1;
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Seconds since 1970 of a `Date` header, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
/// The two obsolete forms are not read: nobody has sent them for decades.
pub(crate) fn http_date(text: &str) -> Option<u64> {
    const NAMES: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.strip_suffix(" GMT")?.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next().filter(|name| name.len() == 3)?;
    let month = NAMES.find(name).filter(|at| at.is_multiple_of(3))? / 3;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1970..=9999).contains(&year)
        || !(1..=months(year)[month]).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
        || clock.next().is_some()
        || words.next().is_some()
    {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| months(year).iter().sum::<u64>())
        .sum();
    let days = years + months(year)[..month].iter().sum::<u64>() + day - 1;
    Some(days * 86400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        // The numbers are those of date -u +%s.
        for (unix, iso, http) in [
            (0, "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (
                784_111_777,
                "19941106T084937Z",
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (
                951_827_696,
                "20000229T123456Z",
                "Tue, 29 Feb 2000 12:34:56 GMT",
            ),
            (
                1_369_353_600,
                "20130524T000000Z",
                "Fri, 24 May 2013 00:00:00 GMT",
            ),
            (
                1_798_761_599,
                "20261231T235959Z",
                "Thu, 31 Dec 2026 23:59:59 GMT",
            ),
            (
                4_107_542_400,
                "21000301T000000Z",
                "Mon, 01 Mar 2100 00:00:00 GMT",
            ),
        ] {
            assert_eq!(iso_date(unix), iso);
            assert_eq!(http_date(http), Some(unix), "{http}");
        }
        assert_eq!(&iso_date(u64::MAX)[..4], "9999");
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
            assert_eq!(http_date(text), Some(unix), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
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
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
