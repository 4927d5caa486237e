use super::*;

fn data(number: u16, bytes: &[u8]) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    [&[0, 3, high, low], bytes].concat()
}

/// A reader whose server agreed to options.
fn reader(options: &[u8]) -> Reader {
    let mut reader = Reader::new();
    let packet = [&[0, 6], options].concat();
    assert_eq!(reader.take(&packet).unwrap(), Step::Acknowledge(0));
    reader
}

fn taken<'p>(step: Result<Step<'p>, Cause>) -> (&'p [u8], Option<u16>, bool) {
    match step.unwrap() {
        Step::Take {
            bytes,
            acknowledge,
            last,
        } => (bytes, acknowledge, last),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_as_the_standards_say() {
    assert_eq!(request(b"/a b", false).unwrap(), b"\0\x01/a b\0octet\0");
    let asked = request(b"x", true).unwrap();
    let options = b"\0\x01x\0octet\0tsize\x000\0blksize\x001428\0timeout\x001\0windowsize\x0016\0";
    assert_eq!(asked, options);
    assert_eq!(request(b"", true), None);
    assert_eq!(request(b"a\0b", true), None);
    assert_eq!(request(&[b'a'; 401], true), None);
    assert!(request(&[b'a'; 400], true).unwrap().len() <= 512);
}

#[test]
fn a_server_without_options_sends_blocks_of_512_bytes() {
    let mut reader = Reader::new();
    assert_eq!(taken(reader.take(&data(1, &[7; 512]))).1, Some(1));
    // A block that comes twice was acknowledged in vain.
    let again = data(1, &[7; 512]);
    let twice = reader.take(&again).unwrap();
    assert_eq!(twice, Step::Acknowledge(1));
    let (bytes, acknowledged, last) = (&b""[..], Some(2), true);
    assert_eq!(
        taken(reader.take(&data(2, b""))),
        (bytes, acknowledged, last)
    );
}

#[test]
fn of_a_window_the_last_block_is_acknowledged() {
    let mut reader = reader(b"blksize\x008\0WINDOWSIZE\x003\0tsize\x0033\0timeout\x001\0");
    assert_eq!(reader.total, Some(33));
    assert_eq!(taken(reader.take(&data(1, b"12345678"))).1, None);
    // The second is lost: the server hears of it once.
    let third = data(3, b"12345678");
    let gap = reader.take(&third).unwrap();
    assert_eq!(gap, Step::Acknowledge(1));
    assert_eq!(reader.take(&data(4, b"12345678")).unwrap(), Step::Ignore);
    for (number, acknowledged) in [(2, None), (3, None), (4, Some(4))] {
        let packet = data(number, b"12345678");
        assert_eq!(taken(reader.take(&packet)).1, acknowledged);
    }
    assert_eq!(
        taken(reader.take(&data(5, b"!"))),
        (&b"!"[..], Some(5), true)
    );
}

#[test]
fn numbers_go_round() {
    for (next, window) in [(0, 1), (1, 1), (0, 2)] {
        let mut reader = reader(format!("blksize\x008\0windowsize\x00{window}\0").as_bytes());
        for number in 1..=u16::MAX {
            taken(reader.take(&data(number, b"12345678")));
        }
        let (_, acknowledged, last) = taken(reader.take(&data(next, b"")));
        assert_eq!((acknowledged, last), (Some(next), true));
    }
}

#[test]
fn refusals_are_told_in_words() {
    for (packet, words) in [
        (
            &b"\0\x05\0\x01File not found\0"[..],
            "no such file (\"File not found\")",
        ),
        (b"\0\x05\0\x01", "no such file"),
        (
            b"\0\x05\0\x02Access violation",
            "does not let everybody read",
        ),
        (
            b"\0\x05\0\0bad \x1b[2J\ntext\0rest",
            "error 0 (\"bad [2Jtext\")",
        ),
        (b"\0\x06blksize\x002000\0", "other options"),
        (b"\0\x06blksize\x007\0", "other options"),
        (b"\0\x06windowsize\x000\0", "other options"),
        (b"\0\x06blksize\x00many\0", "no number"),
        (b"\0\x06blksize\x00512", "cut off"),
        (b"\0\x06multicast\x001\0", "not asked for"),
    ] {
        let said = Reader::new().take(packet).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    let found = Reader::new().take(b"\0\x05\0\x01x\0").unwrap_err();
    assert!(found.is_not_found());
    let large = data(1, &[0; 513]);
    let said = Reader::new().take(&large).unwrap_err().to_string();
    assert!(said.contains("larger than agreed"), "{said}");
}

#[test]
fn what_says_nothing_is_ignored() {
    for packet in [
        &b""[..],
        b"\0",
        b"\0\x03",
        b"\0\x03\0",
        b"\0\x04\0\x01",
        b"\x01\x03\0\x01a",
        b"\0\x05\0",
    ] {
        assert_eq!(Reader::new().take(packet).unwrap(), Step::Ignore);
    }
    // Before the first block there is nothing to go on after.
    assert_eq!(Reader::new().take(&data(2, b"x")).unwrap(), Step::Ignore);
    assert_eq!(
        Reader::new().take(b"\0\x05\0\x08no\0").unwrap(),
        Step::Simpler
    );
}
