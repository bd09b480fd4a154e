//! The arms of the dispatch loop: jumps, with and without a comparison.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! jumps {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Jump => {
                $ip = $ip.offset(wide!($ip) as isize);
                continue $code;
            }
            Op::Loop => spend!($ip.offset(wide!($ip) as isize)),
            Op::JumpIf => jump_on_truth!(true),
            Op::JumpIfNot => jump_on_truth!(false),
            Op::JumpIfNull => jump_on_null!(true),
            Op::JumpIfNotNull => jump_on_null!(false),
            Op::JumpIfSet => {
                if (*reg!($ip, $base, 1)).tag != tag::UNSET {
                    $ip = $ip.offset((wide!($ip) >> 1) as isize);
                    continue $code;
                }
                next!()
            }
            Op::JumpLess => jump_compare!(<, true),
            Op::JumpLessEqual => jump_compare!(<=, true),
            Op::JumpGreater => jump_compare!(>, true),
            Op::JumpGreaterEqual => jump_compare!(>=, true),
            Op::JumpNotLess => jump_compare!(<, false),
            Op::JumpNotLessEqual => jump_compare!(<=, false),
            Op::JumpNotGreater => jump_compare!(>, false),
            Op::JumpNotGreaterEqual => jump_compare!(>=, false),
            Op::JumpEqual => jump_equal!(true),
            Op::JumpNotEqual => jump_equal!(false),
            Op::JumpLessI => jump_compare_immediate!(<, true),
            Op::JumpLessEqualI => jump_compare_immediate!(<=, true),
            Op::JumpGreaterI => jump_compare_immediate!(>, true),
            Op::JumpGreaterEqualI => jump_compare_immediate!(>=, true),
            Op::JumpNotLessI => jump_compare_immediate!(<, false),
            Op::JumpNotLessEqualI => jump_compare_immediate!(<=, false),
            Op::JumpNotGreaterI => jump_compare_immediate!(>, false),
            Op::JumpNotGreaterEqualI => jump_compare_immediate!(>=, false),
            Op::JumpLessK => jump_compare_constant!(<, true),
            Op::JumpLessEqualK => jump_compare_constant!(<=, true),
            Op::JumpGreaterK => jump_compare_constant!(>, true),
            Op::JumpGreaterEqualK => jump_compare_constant!(>=, true),
            Op::JumpNotLessK => jump_compare_constant!(<, false),
            Op::JumpNotLessEqualK => jump_compare_constant!(<=, false),
            Op::JumpNotGreaterK => jump_compare_constant!(>, false),
            Op::JumpNotGreaterEqualK => jump_compare_constant!(>=, false),
            Op::JumpEqualI => jump_equal_immediate!(true),
            Op::JumpNotEqualI => jump_equal_immediate!(false),
            Op::JumpIfElement => jump_on_element!(true),
            Op::JumpIfNotElement => jump_on_element!(false),
            Op::JumpEqualK => jump_equal_constant!(true),
            Op::JumpNotEqualK => jump_equal_constant!(false),
        } }
    };
}
