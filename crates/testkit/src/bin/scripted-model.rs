//! The scripted model as a program, for tests that are not written in Rust.
//!
//! `scripted-model [--port N] [--script FILE] [--log FILE] [--ollama] [--llama-cpp] [--lm-studio] [--model NAME]…`
//! prints `listening on URL` and serves until its standard input ends. `POST /__script` sets what it says next,
//! `GET /__requests` tells what it was asked, `DELETE /__requests` forgets that, `POST /__release` lets go of held answers.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test tool")]

use std::io::Read;

use muisti_testkit::{Port, Script, ScriptedModel};

fn main() {
    let mut builder = ScriptedModel::builder();
    let mut script = Script::default();
    let mut models: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--port" => builder = builder.port(Port::at(value().parse().expect("--port needs a number"))),
            "--script" => {
                let text = std::fs::read_to_string(value()).expect("the script can be read");
                script = serde_json::from_str(&text).expect("the script is valid");
            }
            "--log" => builder = builder.log(value()),
            "--model" => models.push(value()),
            "--ollama" => builder = builder.ollama(),
            "--llama-cpp" => builder = builder.llama_cpp(),
            "--lm-studio" => builder = builder.lm_studio(),
            other => panic!("unknown argument {other}"),
        }
    }
    if !models.is_empty() {
        builder = builder.models(&models.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let model = builder.start();
    model.script(script);
    println!("listening on {}", model.root_url());
    // Whoever started us ends us by closing this, or by dying.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
