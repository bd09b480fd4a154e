//! Strings against std's.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use aether_value::{Heap, Rc, Str, StrBuilder, Value};
use common::{heap, limited, text};
use proptest::prelude::*;

fn check(heap: &Heap, text: &str) {
    let made = heap.string(text).unwrap();
    assert_eq!(made.as_str(), text);
    assert_eq!(made.len_chars(), text.chars().count());
    assert_eq!(made.is_ascii(), text.is_ascii());
    for (index, (byte, character)) in text.char_indices().enumerate() {
        assert_eq!(made.byte_offset(index), byte);
        assert_eq!(made.char_index_of_byte(byte), index);
        let single = made.char_at(heap, index).unwrap().unwrap();
        assert_eq!(single.as_str(), character.to_string());
    }
    assert!(made.char_at(heap, made.len_chars()).is_none());
    assert_eq!(made.hash(), Str::hash_text(heap, text));
}

#[test]
fn long_text_outside_ascii_is_indexed() {
    let heap = heap();
    let text: String = "aé漢🎈".chars().cycle().take(1000).collect();
    check(&heap, &text);
    drop(heap);
}

#[test]
fn the_character_index_is_charged_and_given_back() {
    let heap = heap();
    let text: String = "é".repeat(10_000);
    let made = heap.string(&text).unwrap();
    let before = heap.live_bytes();
    assert_eq!(made.byte_offset(5000), 10_000);
    assert!(heap.live_bytes() >= before + 10_000 / 64 * 4);
    drop(made);
    assert_eq!(heap.live_bytes(), 0);
}

#[test]
fn appending_a_lone_string_is_in_place_and_clears_its_hash() {
    let heap = heap();
    let mut text = heap.string("").unwrap();
    let mut moves = 0;
    for index in 0..100_000_u32 {
        let hash = if index % 1000 == 0 { text.hash() } else { 0 };
        let before = Rc::as_ptr(&text);
        text = Str::append(&heap, text, "ab").unwrap();
        moves += usize::from(before != Rc::as_ptr(&text));
        if hash != 0 {
            assert_ne!(hash, text.hash());
        }
    }
    assert_eq!(text.len_bytes(), 200_000);
    assert!(moves < 60, "{moves} moves");
    drop(text);
    assert_eq!(heap.live_bytes(), 0);
}

#[test]
fn appending_leaves_other_owners_alone() {
    let heap = heap();
    let first = heap.string("head").unwrap();
    let second = Str::append(&heap, first.clone(), "tail").unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("head", "headtail"));
}

#[test]
fn appending_a_string_to_itself_survives_the_move() {
    let heap = heap();
    let mut text = heap.string("0123456789").unwrap();
    for _ in 0..12 {
        let tail: &str = {
            // What `s + s` amounts to when the evaluator moved its only count in.
            #[expect(unsafe_code, reason = "a borrow that append has to cope with")]
            // SAFETY: append copes with a tail inside its own text.
            unsafe {
                std::mem::transmute::<&str, &'static str>(text.as_str())
            }
        };
        let twice = format!("{tail}{tail}");
        text = Str::append(&heap, text, tail).unwrap();
        assert_eq!(text.as_str(), twice);
    }
}

#[test]
fn a_refused_append_gives_the_string_back() {
    let heap = limited(4096);
    let text = heap.string(&"x".repeat(3000)).unwrap();
    let live = heap.live_bytes();
    let (text, raise) = Str::append(&heap, text, &"y".repeat(3000)).unwrap_err();
    assert_eq!(text.as_str(), "x".repeat(3000));
    assert!(raise.message().starts_with("Memory limit exceeded: "), "{raise}");
    assert!(raise.message().ends_with("of 4096 in use"), "{raise}");
    assert_eq!(heap.live_bytes(), live);
}

#[test]
fn names_are_shared_and_one_character_strings_too() {
    let heap = heap();
    let name = heap.intern("name").unwrap();
    assert!(Rc::ptr_eq(&name, &heap.intern("name").unwrap()));
    assert!(Rc::ptr_eq(&heap.ascii(b'x').unwrap(), &heap.intern("x").unwrap()));
    assert!(Rc::ptr_eq(
        &heap.empty_string().unwrap(),
        &heap.intern("").unwrap()
    ));
    drop(name);
    heap.teardown();
    assert_eq!(heap.live_objects(), 0);
}

#[test]
fn numbers_are_written_as_the_language_shows_them() {
    let heap = heap();
    let floats = [
        (1.0, "1"),
        (2.5, "2.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-0.0, "-0"),
        (1e21, "1000000000000000000000"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ];
    for (float, text) in floats {
        let mut out = StrBuilder::new(&heap);
        out.push_float(float).unwrap();
        assert_eq!(out.as_str(), text);
    }
    for int in [0, 7, -7, 1_234_567_890, i64::MAX, i64::MIN] {
        let mut out = StrBuilder::new(&heap);
        out.push_int(int).unwrap();
        assert_eq!(out.finish().unwrap().as_str(), int.to_string());
    }
}

#[test]
fn a_finished_builder_keeps_little_spare_room() {
    let heap = heap();
    let mut out = StrBuilder::new(&heap);
    for _ in 0..1000 {
        out.push_str("abc").unwrap();
    }
    let text = out.finish().unwrap();
    assert!(text.capacity() < 3000 + 3000 / 8 + 16);
}

proptest! {
    #[test]
    fn strings_are_std_strings(text in ".{0,400}", tail in ".{0,40}", start in 0_usize..400, len in 0_usize..400) {
        let heap = heap();
        check(&heap, &text);
        let made = heap.string(&text).unwrap();
        let chars: Vec<char> = text.chars().collect();
        let (start, end) = (start.min(chars.len()), (start + len).min(chars.len()));
        let slice = made.slice_chars(&heap, start, end).unwrap();
        let expected: String = chars[start..end].iter().collect();
        prop_assert_eq!(slice.as_str(), &expected);
        prop_assert_eq!(slice.len_chars(), end - start);
        let both = heap.concat(&text, &tail).unwrap();
        let appended = Str::append(&heap, made, &tail).unwrap();
        prop_assert_eq!(both.as_str(), appended.as_str());
        prop_assert_eq!(both.hash(), appended.hash());
        prop_assert_eq!(both.len_chars(), appended.len_chars());
        drop((slice, both, appended));
        heap.teardown();
        prop_assert_eq!((heap.live_bytes(), heap.live_objects()), (0, 0));
    }
}

#[test]
fn equal_short_strings_are_one_while_one_lives() {
    let heap = heap();
    let (head, tail) = (heap.string("gold").unwrap(), heap.string("fish").unwrap());
    let made = heap.concat_strings(&head, &tail).unwrap();
    for again in [
        heap.concat_strings(&head, &tail).unwrap(),
        heap.concat("gol", "dfish").unwrap(),
        heap.string("goldfish").unwrap(),
        heap.string("a goldfish!")
            .unwrap()
            .slice_chars(&heap, 2, 10)
            .unwrap(),
    ] {
        assert!(Rc::ptr_eq(&made, &again));
    }
    let long = heap.string("more than sixteen").unwrap();
    assert!(!Rc::ptr_eq(&long, &heap.string("more than sixteen").unwrap()));
    // Nothing is kept for it.
    let before = heap.live_objects();
    drop(made);
    assert_eq!(heap.live_objects(), before - 1);
    assert_eq!(heap.string("goldfish").unwrap().as_str(), "goldfish");
}

#[test]
fn a_string_extended_in_place_is_found_under_its_new_text_only() {
    let heap = heap();
    let add = |head: Rc<Str>, tail: &str| {
        let tail = heap.string(tail).unwrap();
        match heap.add_strings(&head, &tail, true).unwrap() {
            Some(made) => made,
            None => head,
        }
    };
    let mut text = add(heap.string("abc").unwrap(), "d");
    assert!(Rc::ptr_eq(&text, &heap.string("abcd").unwrap()));
    text = add(text, "e");
    assert_eq!(text.as_str(), "abcde");
    assert!(Rc::ptr_eq(&text, &heap.string("abcde").unwrap()));
    let shorter = heap.string("abcd").unwrap();
    assert_eq!(shorter.as_str(), "abcd");
    // Two hold it: the one who adds gets a string of his own.
    let kept = text.clone();
    text = add(text, "f");
    assert_eq!((kept.as_str(), text.as_str()), ("abcde", "abcdef"));
    for _ in 0..100 {
        text = Str::append(&heap, text, "xyz").unwrap_or_else(|_| panic!("no limit"));
    }
    assert_eq!(heap.string("abcdef").unwrap().as_str(), "abcdef");
    assert_eq!(text.len_chars(), 306);
}

#[test]
fn words_are_shared_however_many_there_are() {
    // Every third word is kept, others die at once; words come again in waves, so that some are found and some not,
    // and the table grows. Without memory for that, it works as well.
    for limit in [None, Some(260_000)] {
        let heap = limit.map_or_else(heap, limited);
        let mut kept = Vec::new();
        for wave in 0..6 {
            for number in 0..2000 {
                let text = format!("word {}", (number * 7 + wave) % 2000);
                let word = heap.string(&text).unwrap();
                assert_eq!(word.as_str(), text);
                if number % 3 == 0 {
                    kept.push(word);
                }
            }
        }
        let objects = heap.live_objects();
        let most = if limit.is_none() { 3000 } else { kept.len() };
        assert!(
            kept.len() > 4000 && objects <= most,
            "{objects} for {}",
            kept.len()
        );
        drop(kept);
        assert_eq!(heap.live_objects(), 0);
        heap.teardown();
        assert_eq!(heap.live_bytes(), 0);
    }
}

#[test]
fn looking_ends_when_nothing_is_found_and_begins_again() {
    let heap = heap();
    let unique: Vec<_> = (0..9000)
        .map(|n| heap.string(&format!("one {n}")).unwrap())
        .collect();
    let twice = [heap.string("twice").unwrap(), heap.string("twice").unwrap()];
    assert!(!Rc::ptr_eq(&twice[0], &twice[1]));
    drop(unique);
    let later: Vec<_> = (0..20_000)
        .map(|n| heap.string(&format!("w{}", n % 9)).unwrap())
        .collect();
    assert!(Rc::ptr_eq(&later[19_999], &later[19_990]));
}

#[test]
fn huge_texts_are_told_apart_as_keys() {
    let heap = &heap();
    let mut bytes = vec![b'a'; 17 << 20];
    let first = text(heap, std::str::from_utf8(&bytes).unwrap());
    let same = text(heap, std::str::from_utf8(&bytes).unwrap());
    let shorter = text(heap, std::str::from_utf8(&bytes[1..]).unwrap());
    // Between two samples of the hash, in the first one, in the last byte; and a length of its own.
    let others: Vec<Value> = [6_000, 0, (17 << 20) - 1]
        .into_iter()
        .map(|at| {
            bytes[at] = b'b';
            let other = text(heap, std::str::from_utf8(&bytes).unwrap());
            bytes[at] = b'a';
            other
        })
        .chain([shorter])
        .collect();
    let dict = heap.dict().unwrap();
    dict.insert(first, Value::Int(-1)).unwrap();
    for (number, other) in others.iter().enumerate() {
        assert!(dict.get(other).is_none());
        assert!(
            dict.insert(other.clone(), Value::Int(number as i64))
                .unwrap()
                .is_none()
        );
    }
    assert!(matches!(dict.get_value(&same), Some(Value::Int(found)) if found == -1));
    for (number, other) in others.iter().enumerate() {
        assert!(matches!(dict.get_value(other), Some(Value::Int(found)) if found == number as i64));
    }
    assert!(dict.remove(&same).unwrap().is_some());
    assert_eq!(dict.len(), others.len());
}
