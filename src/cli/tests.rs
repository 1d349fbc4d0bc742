use std::ffi::OsString;

use clap::CommandFactory;

use super::{CommandLine, parse};

#[test]
fn the_commands_are_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn a_wrong_command_line_is_usage() {
    let arguments = ["weir", "chekc"].map(OsString::from).into_iter();
    let usage = parse(arguments).expect_err("no such command");
    assert_eq!(usage.0.exit_code(), 2);
}

#[test]
fn help_is_no_fault() {
    let arguments = ["weir", "--help"].map(OsString::from).into_iter();
    let usage = parse(arguments).expect_err("help is shown instead");
    assert_eq!(usage.0.exit_code(), 0);
}
