use proptest::prelude::{Strategy, prop, prop_oneof, proptest};

use std::collections::BTreeSet;

use super::*;
use crate::cmdline::words;
use crate::diag::Sources;
use crate::facts::boot::Esp;
use crate::op::Op;

const BEGIN: &str =
    "# BEGIN pilotlight: kernel arguments of the config, made anew by every first boot\n";
const END: &str = "# END pilotlight\n";

fn arguments(exist: &[&str], not_exist: &[&str]) -> KernelArguments {
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    KernelArguments {
        at: None,
        should_exist: owned(exist),
        should_not_exist: owned(not_exist),
    }
}

fn flatcar(cmdline: &str, grub_cfg: Option<&str>) -> Facts {
    Facts {
        boot: Boot {
            cmdline: words(cmdline),
            oem: Some(Oem {
                device: "/dev/vda6".into(),
                grub_cfg: grub_cfg.map(Into::into),
            }),
            esp: Some(Esp {
                device: "/dev/vda1".into(),
                marker: true,
            }),
            ..Boot::default()
        },
        ..Facts::default()
    }
}

fn text(facts: &Facts) -> &str {
    let oem = facts.boot.oem.as_ref().unwrap();
    oem.grub_cfg.as_deref().unwrap_or_default()
}

/// What a row expects.
enum Is<'a> {
    /// Nothing is done, nothing is said.
    Nothing,
    /// The new text, in which `<statement>` stands for our block.
    Text(&'a str),
    /// Nothing is done, and a warning with these words.
    Warning(&'a str),
    /// No plan, with these words.
    Refused(&'a str),
}
use Is::{Nothing, Refused, Text, Warning};

/// Name, should exist, should not exist, running command line, grub.cfg, what is expected.
type Row<'a> = (
    &'a str,
    &'a [&'a str],
    &'a [&'a str],
    &'a str,
    Option<&'a str>,
    Is<'a>,
);

/// Writes out the blocks of a text.
fn with_blocks(short: &str) -> String {
    short.replace('<', BEGIN).replace('>', &format!("\n{END}"))
}

#[test]
#[rustfmt::skip]
fn rows() {
    let rows: &[Row<'_>] = &[
        ("nothing asked", &[], &[], "ro", None, Nothing),
        ("there already", &["a"], &["b"], "ro a", None, Nothing),
        ("there already, and the file is broken", &["a"], &[], "a", Some("'"), Nothing),
        ("no file yet", &["a=1"], &[], "ro", None, Text("<set linux_append=\"$linux_append a=1\">")),
        ("empty file", &["a"], &[], "", Some(""), Text("<set linux_append=\"$linux_append a\">")),
        ("only the missing one", &["a", "b"], &[], "a", None, Text("<set linux_append=\"$linux_append b\">")),
        ("order is kept", &["z", "a"], &[], "", None, Text("<set linux_append=\"$linux_append z a\">")),
        ("foreign text is kept", &["a"], &[], "", Some("# x\n\nset oem_id=\"ec2\"\n"), Text("# x\n\nset oem_id=\"ec2\"\n<set linux_append=\"$linux_append a\">")),
        ("line ends of Windows", &["a"], &[], "", Some("set x=1\r\n"), Text("set x=1\r\n<set linux_append=\"$linux_append a\">")),
        ("no newline at the end", &["a"], &[], "", Some("set x=1"), Text("set x=1\n<set linux_append=\"$linux_append a\">")),
        ("block in the middle goes to the end", &["a"], &[], "b", Some("x=1\n<set linux_append=\"$linux_append b\">y=2\n"), Text("x=1\ny=2\n<set linux_append=\"$linux_append a\">")),
        ("what the block has and the config still asks for stays", &["a", "b"], &[], "b", Some("<set linux_append=\"$linux_append b\">"), Text("<set linux_append=\"$linux_append a b\">")),
        ("what others set is not set again", &["a", "b"], &[], "b", Some("set linux_append=b\n"), Text("set linux_append=b\n<set linux_append=\"$linux_append a\">")),
        ("one entry of two words", &["a b"], &[], "b", None, Text("<set linux_append=\"$linux_append a b\">")),
        ("a list that is there", &["a b"], &[], "x a b y", None, Nothing),
        ("a list in another order", &["a b"], &[], "b a", None, Text("<set linux_append=\"$linux_append a b\">")),
        ("a list that takes the place of its words", &["a b"], &["a", "b", "c"], "b x", None, Text("<set linux_append=\"$linux_append a b\">")),
        ("a list of the block's own stays", &["a b", "c"], &[], "a b", Some("<set linux_append=\"$linux_append a b\">"), Text("<set linux_append=\"$linux_append a b c\">")),
        ("a list of others", &["a b", "c"], &["a"], "a b", Some("set linux_append='a b'"), Text("set linux_append='a b'\n<set linux_append=\"$linux_append c\">")),
        ("marks that are not needed", &["a=\"x\""], &[], "", None, Text("<set linux_append=\"$linux_append a=x\">")),
        ("marks on the command line", &["a=x"], &[], "a=\"x\"", None, Nothing),
        ("a value with a blank that is there", &["a=\"x y\""], &[], "\"a=x y\"", None, Nothing),
        ("a value with a blank", &["a=\"x y\""], &[], "", None, Refused("\"a=x y\" holds a blank, which GRUB")),
        ("a quotation mark inside", &["a=b\"c\"d"], &[], "", None, Refused("holds a quotation mark")),
        ("a backslash", &["a=\\n"], &[], "", None, Refused("holds a backslash")),
        ("a dollar sign", &["a=$b"], &[], "", None, Text("<set linux_append=\"$linux_append a=\\$b\">")),
        ("another value is another argument", &["a=1"], &[], "a=2", None, Text("<set linux_append=\"$linux_append a=1\">")),
        ("removed", &[], &["b"], "a b c", Some("set linux_append=\"a b\"\nset linux_append=\"$linux_append c\"\n"), Text("set linux_append=\"a b\"\nset linux_append=\"$linux_append c\"\n<set linux_append=\"a c\">")),
        ("removed and added", &["n"], &["b"], "a b", Some("set linux_append='a b'"), Text("set linux_append='a b'\n<set linux_append=\"a n\">")),
        ("all removed", &[], &["b"], "b", Some("linux_append=b\n"), Text("linux_append=b\n<set linux_append=\"\">")),
        ("removed from our own block", &["a"], &["b"], "b", Some("<set linux_append=\"$linux_append b\">"), Text("<set linux_append=\"$linux_append a\">")),
        ("our block is not needed any more", &[], &["b"], "b", Some("x=1\n<set linux_append=\"$linux_append b\">"), Text("x=1\n")),
        ("removed before, now something is added", &["n"], &["b"], "a", Some("linux_append='a b'\n<set linux_append=\"a\">"), Text("linux_append='a b'\n<set linux_append=\"a n\">")),
        ("marks of others are kept", &[], &["b"], "b", Some("linux_append='x=\"y\" b'\n"), Text("linux_append='x=\"y\" b'\n<set linux_append=\"x=\\\"y\\\"\">")),
        ("not from this file", &["a"], &["quiet"], "quiet", Some("x=1\n"), Refused("\"quiet\" cannot be removed: it is not in the variable linux_append")),
        ("from this file and from elsewhere", &[], &["q"], "q q", Some("linux_append=q\n"), Refused("\"q\" cannot be removed")),
        ("in a condition", &[], &["b"], "b", Some("if true; then\nset linux_append=b\nfi\n"), Refused("cannot be told: its line 2 may or may not set linux_append")),
        ("added behind a condition", &["a"], &["n"], "b", Some("if true; then\nset linux_append=b\nfi\n"), Text("if true; then\nset linux_append=b\nfi\n<set linux_append=\"$linux_append a\">")),
        ("not read by the boot loader", &["a"], &[], "ro", Some("<set linux_append=\"$linux_append a\">"), Warning("the boot loader seems not to read it")),
        ("nor what others set", &["a"], &[], "ro", Some("linux_append=a\n"), Warning("the kernel runs without \"a\", although grub.cfg")),
        ("broken foreign text", &["a"], &[], "", Some("echo 'x\n"), Refused("cannot be extended: the quotation mark in line 1 is not closed")),
        ("half a block", &["a"], &[], "", Some("# BEGIN pilotlight\nset x=1\n"), Refused("in line 1 a block of pilotlight begins")),
        ("asked for and ruled out", &["b"], &["a b"], "", None, Refused("\"b\" is asked for and ruled out")),
    ];
    for (name, exist, not_exist, cmdline, before, is) in rows {
        let arguments = arguments(exist, not_exist);
        let before = before.map(with_blocks);
        let facts = flatcar(cmdline, before.as_deref());
        // Where the journal does not outlive a restart, none is made for a text that is there already.
        assert_eq!(facts.boot.begun, None);
        match (plan(&arguments, &facts), is) {
            (Ok(plan), Nothing) => assert_eq!(plan, Plan::default(), "{name}"),
            (Ok(plan), Warning(words)) => {
                assert!(plan.is_empty(), "{name}: {plan:?}");
                let said = plan.notes.render(&Sources::default());
                assert!(said.starts_with("warning: ") && said.contains(words), "{name}: {said}");
            }
            (Err(report), Refused(words)) => {
                let said = report.render(&Sources::default());
                assert!(said.contains(words), "{name}: {said}");
                assert!(said.contains("help: "), "{name}: {said}");
            }
            (Ok(first), Text(expected)) => {
                let after = first.predict(facts);
                assert_eq!(text(&after), with_blocks(expected), "{name}");
                assert_eq!(plan(&arguments, &after).unwrap(), Plan::default(), "{name}");
                // A boot loader that does not read the file: said, and no second restart.
                let same = flatcar(cmdline, Some(text(&after)));
                match plan(&arguments, &same) {
                    Ok(again) => assert!(again.is_empty() && !again.notes.items.is_empty(), "{name}: {again:?}"),
                    Err(report) => assert!(report.render(&Sources::default()).contains("cannot be removed"), "{name}"),
                }
            }
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

fn lines(arguments: &KernelArguments, facts: &Facts) -> String {
    plan(arguments, facts).unwrap().render(&Sources::default())
}

#[test]
fn the_marker_comes_first_if_it_is_missing() {
    let mut facts = flatcar("ro b", Some("linux_append=b"));
    let esp = facts.boot.esp.as_mut().unwrap();
    esp.marker = false;
    insta::assert_snapshot!(lines(&arguments(&["a"], &["b"]), &facts), @r#"
      make the marker /flatcar/first_boot on /dev/vda1
          because after the restart the config is still to be done
      write pilotlight's block in /grub.cfg on /dev/vda6: set linux_append="a"
          because the kernel runs without "a" and has "b", which should not be there
      reboot once, with a, without b
          because kernel arguments count from the next boot on, which starts over with the config
    "#);
}

#[test]
fn the_distributions_program_goes_before_grub() {
    let mut facts = flatcar("ro b", Some("'"));
    facts.boot.helper = true;
    let arguments = arguments(&["a", "x y"], &["b"]);
    insta::assert_snapshot!(lines(&arguments, &facts), @r#"
      run ignition-kargs-helper for the next boot, with a x y, without b
          because the kernel runs without "a", "x", "y" and has "b", which should not be there
    "#);
    assert!(!needs_partitions(&arguments, &facts.boot));
}

#[test]
fn the_distributions_program_decides_even_when_the_command_line_has_all() {
    let table: [(&str, &[&str], &[&str], bool); 11] = [
        ("ro a", &["a"], &[], true),
        ("ro a", &["a"], &["b"], true),
        ("ro", &[], &["b"], true),
        ("a b c", &["a b c"], &[], true),
        ("a", &["a", "a"], &["x y"], true),
        ("ro", &["a"], &[], true),
        ("ro a b", &["a"], &["b"], true),
        ("ro a", &["a"], &[], false),
        ("ro a", &["a"], &["b"], false),
        ("ro", &[], &["b"], false),
        ("a b c", &["a b c"], &[], false),
    ];
    for (line, exist, not_exist, helper) in table {
        let mut facts = flatcar(line, None);
        facts.boot.helper = helper;
        let arguments = arguments(exist, not_exist);
        let planned = plan(&arguments, &facts).unwrap();
        assert_eq!(
            planned.steps.len(),
            usize::from(helper),
            "{line} {exist:?} {helper}"
        );
        assert!(!needs_partitions(&arguments, &facts.boot));
    }
}

#[test]
fn without_a_way_it_says_so_and_what_to_do() {
    let refused = |facts: &Facts| {
        let report = plan(&arguments(&["a"], &[]), facts).unwrap_err();
        report.render(&Sources::default())
    };
    let mut facts = flatcar("ro", None);
    assert!(needs_partitions(&arguments(&["a"], &[]), &facts.boot));
    facts.boot.live = true;
    assert!(!needs_partitions(&arguments(&["a"], &[]), &facts.boot));
    assert!(refused(&facts).contains("live image"));
    insta::assert_snapshot!(refused(&Facts::default()), @r#"
    error: the kernel runs without "a", and nothing here can change that: there is neither the program ignition-kargs-helper nor a partition labelled OEM
      help: change the command line where this machine gets it from, as the configuration of the PXE server or of the boot loader
    "#);
    let mut facts = flatcar("ro", None);
    facts.boot.esp = None;
    assert!(refused(&facts).contains("no partition labelled EFI-SYSTEM"));
}

#[test]
fn a_dry_run_says_what_it_assumes() {
    let facts = Facts {
        boot: Boot::assumed(),
        ..Facts::default()
    };
    let plan = plan(&arguments(&["a"], &["b"]), &facts).unwrap();
    insta::assert_snapshot!(plan.render(&Sources::default()), @r#"
      write pilotlight's block in /grub.cfg on /dev/disk/by-label/OEM: set linux_append="$linux_append a"
          because the config asks for "a" (the machine's own command line is not known here; its OEM partition is taken for one without grub.cfg)
      reboot once, with a
          because kernel arguments count from the next boot on, which starts over with the config
    "#);
    insta::assert_snapshot!(plan.notes.render(&Sources::default()), @r#"hint: whether "b" has to be taken away from the kernel command line shows on the machine only"#);
}

/// Texts as people write them, and texts as nobody does.
fn foreign() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "(set )?linux_append=\"(\\$linux_append )?[a-f]( [a-f])?\"",
        1 => "linux_append='[a-f ]{0,4}'",
        2 => "set [a-z]{1,4}=\"[ -~&&[^\"\\\\]]{0,8}\"",
        1 => "#.{0,12}",
        1 => "[ -~]{0,10}",
        1 => "if true; then linux_append=[a-f]; fi",
        1 => "\t*",
    ];
    let end = prop_oneof![8 => "\n", 2 => "\r\n", 1 => ";"];
    let lines = prop::collection::vec((line, end), 0..6);
    (lines, prop::bool::ANY).prop_map(|(lines, cut)| {
        let text: String = lines.into_iter().map(|(a, b)| a + &b).collect();
        if cut { text.trim_end().into() } else { text }
    })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 512,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn others_text_stays_and_a_second_plan_is_empty(
        text_before in foreign(),
        exist in prop::collection::btree_set("[a-f]", 0..3),
        not_exist in prop::collection::btree_set("[a-f]", 0..3),
        elsewhere in prop::collection::vec("[a-h]", 0..3),
    ) {
        let not_exist: Vec<&str> = not_exist.difference(&exist).map(String::as_str).collect();
        let exist: Vec<&str> = exist.iter().map(String::as_str).collect();
        let arguments = arguments(&exist, &not_exist);
        // The kernel as a boot loader that reads the file would start it.
        let started = |text: &str| {
            let mut cmdline = elsewhere.clone();
            if let Ok(Value::Known(words)) = grub::evaluate(text, &[]) {
                cmdline.extend(words);
            }
            flatcar(&cmdline.join(" "), Some(text))
        };
        let facts = started(&text_before);
        if let Ok(first) = plan(&arguments, &facts) {
            let predicted = first.predict(facts);
            let after = text(&predicted).to_string();
            if !first.is_empty() {
                proptest::prop_assert!(after.starts_with(&text_before), "{after:?}");
                proptest::prop_assert_eq!(plan(&arguments, &predicted).unwrap(), Plan::default());
            }
            // Whatever the boot loader makes of it, there is no second restart.
            proptest::prop_assert!(plan(&arguments, &started(&after)).is_ok_and(|again| again.is_empty()));
            let ignored = flatcar(&elsewhere.join(" "), Some(&after));
            if let Ok(again) = plan(&arguments, &ignored) {
                let last = text(&again.predict(ignored)).to_string();
                let ignored = flatcar(&elsewhere.join(" "), Some(&last));
                proptest::prop_assert!(plan(&arguments, &ignored).map_or(true, |plan| plan.is_empty()));
            }
        }
    }

    #[test]
    fn no_text_and_no_command_line_is_too_strange(text in ".*", line in ".*") {
        let _ = grub::evaluate(&text, &[]);
        let _ = grub::with_block(&text, "set x=1");
        for word in words(&line) {
            let statement = grub::statement(true, std::slice::from_ref(&word));
            if grub::unspeakable(&word).is_none() {
                proptest::prop_assert_eq!(grub::evaluate(&statement, &[]), Ok(Value::Known(vec![word])));
            }
        }
    }
}

#[test]
fn a_restart_that_is_missing_is_made_once() {
    // Asked for, ruled out, command line, grub.cfg, whether the restart is missing.
    type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a str, &'a str, bool);
    let rows: &[Row<'_>] = &[
        (
            &["a"],
            &[],
            "ro",
            "<set linux_append=\"$linux_append a\">",
            true,
        ),
        (
            &["a"],
            &["quiet"],
            "ro quiet",
            "linux_append='quiet b'\n<set linux_append=\"b a\">",
            true,
        ),
        // Taken away, with no trace of a block: it may come from anywhere.
        (&[], &["quiet"], "ro quiet", "x=1\n", false),
        // What others set is not ours to restart for.
        (&["a"], &[], "ro", "linux_append=a\n", false),
        // The block says something else.
        (
            &["a", "c"],
            &[],
            "ro",
            "<set linux_append=\"$linux_append a\">",
            false,
        ),
    ];
    for (exist, not_exist, cmdline, text, missing) in rows {
        let arguments = arguments(exist, not_exist);
        let mut facts = flatcar(cmdline, Some(&with_blocks(text)));
        facts.boot.begun = Some(BTreeSet::new());
        let restarts = |facts: &Facts| match plan(&arguments, facts) {
            Ok(plan) => match plan.steps.as_slice() {
                [step] => match &step.op {
                    Op::Boot(op @ BootOp::Reboot { .. }) => Some(op.clone()),
                    _ => None,
                },
                _ => None,
            },
            Err(_) => None,
        };
        let found = restarts(&facts);
        assert_eq!(found.is_some(), *missing, "{text}");
        if let Some(op) = found {
            let after = plan(&arguments, &facts).unwrap().predict(facts.clone());
            assert_eq!(plan(&arguments, &after).unwrap(), Plan::default());
            // It has been tried: the boot loader does not read the file.
            facts.boot.begun = Some([crate::journal::digest(&op.into())].into());
            assert_eq!(restarts(&facts), None, "{text}");
        }
    }
}
