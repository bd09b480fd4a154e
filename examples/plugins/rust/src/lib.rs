//! A plugin for Aether: text functions, one that fails, and one that panics.

/// What scripts see.
#[aether_plugin::plugin]
pub mod functions {
    use std::collections::HashMap;

    /// A greeting.
    pub fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    /// Characters of each word.
    pub fn word_lengths(words: Vec<String>) -> Vec<i64> {
        words.iter().map(|word| word.chars().count() as i64).collect()
    }

    /// The words in upper case.
    pub fn upper(words: Vec<String>) -> Vec<String> {
        words.iter().map(|word| word.to_uppercase()).collect()
    }

    /// How often each word occurs.
    pub fn count(words: Vec<String>) -> HashMap<String, i64> {
        let mut counts = HashMap::new();
        for word in words {
            *counts.entry(word).or_insert(0) += 1;
        }
        counts
    }

    /// The sum of all amounts.
    pub fn total(amounts: HashMap<String, i64>) -> i64 {
        amounts.values().sum()
    }

    /// The position of a number, or nothing.
    pub fn position(numbers: Vec<i64>, wanted: i64) -> Option<i64> {
        let position = numbers.iter().position(|number| *number == wanted);
        position.map(|position| position as i64)
    }

    /// The number that a text says.
    pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    /// Panics for a divisor of zero, as a mistake in a plugin would.
    pub fn divide(dividend: i64, divisor: i64) -> i64 {
        dividend / divisor
    }

    /// Nothing.
    pub fn nothing() {}
}
