//! Kernel arguments: from what the running kernel has to what the config asks for.
//!
//! Three ways, the first that there is: nothing is missing; the distribution's own program; a block of ours in
//! the grub.cfg of the OEM partition, from which GRUB takes `linux_append`. The block takes effect at the
//! next boot, so the machine restarts, once: a text that is as it should be is not written again.

use crate::cmdline::{sequence, words};
use crate::diag::{Diagnostic, Report};
use crate::facts::Facts;
use crate::facts::boot::{Boot, Oem};
use crate::grub::{self, Value};
use crate::journal;
use crate::model::KernelArguments;
use crate::op::{BootOp, KARGS_HELPER, split};
use crate::plan::{Plan, Planned};

/// What is asked for and what of it is not so, word by word.
struct Wish {
    /// Entries; one of several arguments asks for them in this order.
    exist: Vec<Vec<String>>,
    not_exist: Vec<String>,
    missing: Vec<String>,
    unwanted: Vec<String>,
}

impl Wish {
    fn new(arguments: &KernelArguments, boot: &Boot) -> Self {
        let mut exist: Vec<Vec<String>> = Vec::new();
        for entry in &arguments.should_exist {
            let entry = words(entry);
            if !entry.is_empty() && !exist.contains(&entry) {
                exist.push(entry);
            }
        }
        let mut not_exist = split(&arguments.should_not_exist);
        let mut rest = boot.cmdline.clone();
        let mut missing = Vec::new();
        for entry in &exist {
            if let [word] = entry.as_slice() {
                missing.extend(
                    Some(word)
                        .filter(|word| !boot.cmdline.contains(word))
                        .cloned(),
                );
                continue;
            }
            // What is ruled out is ruled out elsewhere: the helper takes it away and appends the list. The
            // boot loader's own words stay otherwise, and the list behind them has the last word.
            if !boot.helper {
                not_exist.retain(|word| !entry.contains(word));
            }
            match sequence(&rest, entry) {
                Some(at) => drop(rest.drain(at..at + entry.len())),
                None => missing.extend(entry.iter().cloned()),
            }
        }
        Self {
            missing,
            unwanted: not_exist
                .iter()
                .filter(|word| rest.contains(word))
                .cloned()
                .collect(),
            exist,
            not_exist,
        }
    }

    fn is_fulfilled(&self) -> bool {
        self.missing.is_empty() && self.unwanted.is_empty()
    }
}

/// Whether planning has to know the boot partitions: something is to be changed, and by ourselves.
pub fn needs_partitions(arguments: &KernelArguments, boot: &Boot) -> bool {
    !boot.helper && !boot.live && !Wish::new(arguments, boot).is_fulfilled()
}

/// Plans the kernel arguments.
pub fn plan(arguments: &KernelArguments, facts: &Facts) -> Planned {
    let boot = &facts.boot;
    let wish = Wish::new(arguments, boot);
    let fail = |diagnostic: Diagnostic| {
        let mut report = Report::default();
        report.push(diagnostic);
        Err(report)
    };
    let mut single = wish.exist.iter().filter(|entry| entry.len() == 1).flatten();
    if let Some(word) = single.find(|word| wish.not_exist.contains(word)) {
        return fail(
            Diagnostic::error(
                arguments.at,
                format!("the kernel argument \"{word}\" is asked for and ruled out"),
            )
            .help("remove it from one of the two lists"),
        );
    }
    let mut plan = Plan::default();
    if boot.assumed && !wish.not_exist.is_empty() {
        plan.notes.push(Diagnostic::hint(
            arguments.at,
            format!(
                "whether {} has to be taken away from the kernel command line shows on the machine only",
                quoted(&wish.not_exist)
            ),
        ));
    }
    if wish.is_fulfilled() && !boot.helper {
        return Ok(plan);
    }
    let why = match wish.is_fulfilled() {
        // It may keep them elsewhere than on the running command line.
        true => "the distribution's own program decides what has to be done".into(),
        false => reason(&wish, boot.assumed),
    };
    if boot.helper {
        let op = BootOp::RunKargsHelper {
            should_exist: arguments.should_exist.clone(),
            should_not_exist: arguments.should_not_exist.clone(),
        };
        plan.push(op, why, arguments.at);
        return Ok(plan);
    }
    let (Some(oem), false) = (&boot.oem, boot.live) else {
        return fail(
            Diagnostic::error(
                arguments.at,
                format!(
                    "{why}, and nothing here can change that: there is neither the program {KARGS_HELPER} nor {}",
                    if boot.live { "a boot disk, because this is a live image" } else { "a partition labelled OEM" },
                ),
            )
            .help("change the command line where this machine gets it from, as the configuration of the PXE server or of the boot loader"),
        );
    };
    let Some(esp) = &boot.esp else {
        return fail(
            Diagnostic::error(
                arguments.at,
                format!("{why}, and the machine has to restart for it, but there is no partition labelled EFI-SYSTEM, whose marker makes the next boot a first boot again"),
            )
            .help("label the EFI system partition"),
        );
    };
    let reboot = BootOp::Reboot {
        with: wish.missing.clone(),
        without: wish.unwanted.clone(),
    };
    // The text may be there without its restart: power failed in between, or the boot loader, which replays no
    // journal of a file system, still found the old one. What has been tried is not tried again.
    let untried = (boot.begun.as_ref())
        .is_some_and(|begun| !begun.contains(&journal::digest(&reboot.clone().into())));
    if untried && esp.marker && is_said_by(&wish, oem) {
        let why = format!(
            "{why}, although pilotlight's block in grub.cfg says what it should: the restart for it is missing"
        );
        plan.push(reboot, why, arguments.at);
        return Ok(plan);
    }
    let statement = match statement(&wish, boot, oem) {
        Ok(statement) => statement,
        Err((message, help)) => {
            return fail(Diagnostic::error(arguments.at, message).help(help));
        }
    };
    let text = oem.grub_cfg.as_deref().unwrap_or_default();
    if grub::with_block(text, &statement).as_deref() == Ok(text) {
        plan.notes.push(
            Diagnostic::warning(
                arguments.at,
                format!("{why}, although grub.cfg on the OEM partition says what it should: the boot loader seems not to read it, and the kernel arguments stay as they are"),
            )
            .help("under secure boot GRUB does not read that file; change the command line where the boot loader gets it from"),
        );
        return Ok(plan);
    }
    // First of all: a node that restarts without the marker would come up without its config.
    if !esp.marker {
        let op = BootOp::MakeFirstBootMarker {
            device: esp.device.clone(),
        };
        let why = "after the restart the config is still to be done";
        plan.push(op, why, arguments.at);
    }
    let op = BootOp::WriteGrubBlock {
        device: oem.device.clone(),
        statement,
    };
    plan.push(op, why, arguments.at);
    let why = "kernel arguments count from the next boot on, which starts over with the config";
    plan.push(reboot, why, arguments.at);
    Ok(plan)
}

/// Whether a block of ours is in the OEM partition's grub.cfg that fulfils the wish.
fn is_said_by(wish: &Wish, oem: &Oem) -> bool {
    let text = oem.grub_cfg.as_deref().unwrap_or_default();
    let Ok((foreign, block)) = grub::split(text) else {
        return false;
    };
    let Ok(Value::Known(start)) = grub::evaluate(&foreign, &[]) else {
        return false;
    };
    match grub::evaluate(&block, &start) {
        Ok(Value::Known(words)) if !block.is_empty() => {
            (wish.missing.iter()).all(|word| words.contains(word))
                && !wish.unwanted.iter().any(|word| words.contains(word))
        }
        _ => false,
    }
}

/// The statement of our block, or why there can be none and what to do about it.
fn statement(wish: &Wish, boot: &Boot, oem: &Oem) -> Result<String, (String, String)> {
    let of_file = |why: String| {
        (
            format!("grub.cfg on the OEM partition cannot be extended: {why}"),
            format!("correct /grub.cfg on {}", oem.device),
        )
    };
    let text = oem.grub_cfg.as_deref().unwrap_or_default();
    let (foreign, block) = grub::split(text).map_err(of_file)?;
    let others = grub::evaluate(&foreign, &[]).map_err(of_file)?;
    let (known, start) = match &others {
        Value::Known(words) => (true, words.clone()),
        Value::Unknown(_) => (false, Vec::new()),
    };
    let whole = match grub::evaluate(&block, &start).map_err(of_file)? {
        Value::Known(words) => words,
        Value::Unknown(_) => start.clone(),
    };
    let count = |words: &[String], word: &String| words.iter().filter(|w| *w == word).count();
    for word in &wish.unwanted {
        match &others {
            Value::Unknown(why) if !whole.contains(word) => {
                return Err((
                    format!(
                        "whether grub.cfg on the OEM partition sets the kernel argument \"{word}\" cannot be told: its {why}"
                    ),
                    format!("remove the argument there, in /grub.cfg on {}", oem.device),
                ));
            }
            _ if count(&boot.cmdline, word) > count(&whole, word) => {
                return Err((
                    format!("the kernel argument \"{word}\" cannot be removed: it is not in the variable linux_append of grub.cfg on the OEM partition, so it comes from the boot loader's own configuration"),
                    "change the boot loader's configuration, or take the argument out of the config".into(),
                ));
            }
            _ => {}
        }
    }
    let ours = |word: &String| count(&whole, word) > count(&start, word);
    let adds = wish.exist.iter().filter(|entry| match entry.as_slice() {
        [word] => {
            let elsewhere = boot.cmdline.contains(word) && !ours(word);
            !elsewhere && !start.contains(word)
        }
        group => {
            let is_ours = sequence(&whole, group).is_some() && sequence(&start, group).is_none();
            let elsewhere = sequence(&boot.cmdline, group).is_some() && !is_ours;
            !elsewhere && sequence(&start, group).is_none()
        }
    });
    let adds: Vec<String> = adds.flatten().cloned().collect();
    if let Some((word, what)) = adds
        .iter()
        .find_map(|word| Some((word, grub::unspeakable(word)?)))
    {
        return Err((
            format!(
                "the kernel argument \"{word}\" holds {what}, which GRUB cannot hand on to the kernel from grub.cfg on the OEM partition"
            ),
            "write the argument without it, or change the boot loader's configuration".into(),
        ));
    }
    let takes = known && start.iter().any(|word| wish.not_exist.contains(word));
    if !takes {
        return Ok(grub::statement(true, &adds));
    }
    let kept = start.iter().filter(|word| !wish.not_exist.contains(word));
    let all: Vec<String> = kept.cloned().chain(adds).collect();
    Ok(grub::statement(false, &all))
}

/// "the running kernel has not "a"", in words that follow "because".
fn reason(wish: &Wish, assumed: bool) -> String {
    if assumed {
        return format!(
            "the config asks for {} (the machine's own command line is not known here; its OEM partition is taken for one without grub.cfg)",
            quoted(&wish.missing)
        );
    }
    let mut parts = Vec::new();
    if !wish.missing.is_empty() {
        parts.push(format!("runs without {}", quoted(&wish.missing)));
    }
    if !wish.unwanted.is_empty() {
        parts.push(format!(
            "has {}, which should not be there",
            quoted(&wish.unwanted)
        ));
    }
    format!("the kernel {}", parts.join(" and "))
}

fn quoted(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
#[path = "kargs_tests.rs"]
mod tests;
