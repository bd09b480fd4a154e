//! The arms of the dispatch loop: arithmetic, comparison and logic.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! operators {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Add | Op::AddB | Op::AddC | Op::AddBC => {
                addition!(reg!($ip, $base, 2), reg!($ip, $base, 3));
            }
            Op::AddK => {
                addition!(
                    reg!($ip, $base, 2),
                    $vm.constants.add(field!($ip, 3) as usize).cast_mut()
                );
            }
            Op::AddLeftK | Op::AddLeftKC => {
                addition!(
                    $vm.constants.add(field!($ip, 2) as usize).cast_mut(),
                    reg!($ip, $base, 3)
                );
            }
            Op::AddI => arithmetic_immediate!(checked_add, +),
            Op::Subtract => arithmetic!(reg!($ip, $base, 2), reg!($ip, $base, 3), checked_sub, -),
            Op::SubtractI => arithmetic_immediate!(checked_sub, -),
            Op::SubtractK => {
                arithmetic!(reg!($ip, $base, 2), $vm.constants.add(field!($ip, 3) as usize), checked_sub, -);
            }
            Op::SubtractLeftK => {
                arithmetic!($vm.constants.add(field!($ip, 2) as usize), reg!($ip, $base, 3), checked_sub, -);
            }
            Op::Multiply => arithmetic!(reg!($ip, $base, 2), reg!($ip, $base, 3), checked_mul, *),
            Op::MultiplyI => arithmetic_immediate!(checked_mul, *),
            Op::MultiplyK => {
                arithmetic!(reg!($ip, $base, 2), $vm.constants.add(field!($ip, 3) as usize), checked_mul, *);
            }
            Op::MultiplyLeftK => {
                arithmetic!($vm.constants.add(field!($ip, 2) as usize), reg!($ip, $base, 3), checked_mul, *);
            }
            Op::Divide => divide!(reg!($ip, $base, 2), reg!($ip, $base, 3)),
            Op::DivideI => {
                let left = reg!($ip, $base, 2);
                let right = field!($ip, 3) as i16;
                if (*left).tag == tag::INT && right > 0 {
                    set_int!(
                        reg!($ip, $base, 1),
                        quotient((*left).payload as i64, i64::from(right))
                    );
                } else if (*left).tag == tag::FLOAT {
                    set_float!(
                        reg!($ip, $base, 1),
                        f64::from_bits((*left).payload) / f64::from(right)
                    );
                }
                slow_arithmetic!();
            }
            Op::DivideK => divide!(reg!($ip, $base, 2), $vm.constants.add(field!($ip, 3) as usize)),
            Op::DivideLeftK => divide!($vm.constants.add(field!($ip, 2) as usize), reg!($ip, $base, 3)),
            Op::Remainder => {
                let (left, right) = (reg!($ip, $base, 2), reg!($ip, $base, 3));
                if (*left).tag == tag::INT && (*right).tag == tag::INT && (*right).payload as i64 > 0
                {
                    let value = remainder((*left).payload as i64, (*right).payload as i64);
                    set_int!(reg!($ip, $base, 1), value);
                }
                slow_arithmetic!();
            }
            Op::RemainderI => {
                let left = reg!($ip, $base, 2);
                if (*left).tag == tag::INT {
                    let value = remainder((*left).payload as i64, i64::from(field!($ip, 3)));
                    set_int!(reg!($ip, $base, 1), value);
                }
                slow_arithmetic!();
            }
            Op::RemainderK => {
                let left = reg!($ip, $base, 2);
                let right = $vm.constants.add(field!($ip, 3) as usize);
                if (*left).tag == tag::INT && (*right).tag == tag::INT && (*right).payload as i64 > 0
                {
                    let value = remainder((*left).payload as i64, (*right).payload as i64);
                    set_int!(reg!($ip, $base, 1), value);
                }
                slow_arithmetic!();
            }
            Op::Power => slow_arithmetic!(),
            Op::ShiftLeft => shift!(|left: i64, right: u32| left << right),
            Op::ShiftRight => shift!(|left: i64, right: u32| left >> right),
            Op::BitNot => {
                let value = reg!($ip, $base, 2);
                if (*value).tag == tag::INT {
                    set_int!(reg!($ip, $base, 1), !(*value).payload);
                }
                slow_arithmetic!();
            }
            Op::BitAnd => bits!(&),
            Op::BitXor => bits!(^),
            Op::BitOr => bits!(|),
            Op::Negate => {
                let value = reg!($ip, $base, 2);
                if (*value).tag == tag::INT {
                    if let Some(value) = 0_i64.checked_sub((*value).payload as i64) {
                        set_int!(reg!($ip, $base, 1), value);
                    }
                } else if (*value).tag == tag::FLOAT {
                    set_float!(reg!($ip, $base, 1), -f64::from_bits((*value).payload));
                }
                slow_arithmetic!();
            }
            Op::Not => {
                let value = reg!($ip, $base, 2);
                let answer = if (*value).tag == tag::BOOL {
                    !(*value).as_bool()
                } else {
                    let answer = !(*value).as_value().truthy();
                    if value == reg!($ip, $base, 1) {
                        take!(value).release();
                    }
                    answer
                };
                *reg!($ip, $base, 1) = Raw::bool(answer);
                next!()
            }
            Op::Equal => {
                let equal = check!($vm.equal(reg!($ip, $base, 2), reg!($ip, $base, 3)));
                *reg!($ip, $base, 1) = Raw::bool(equal);
                next!()
            }
            Op::NotEqual => {
                let equal = check!($vm.equal(reg!($ip, $base, 2), reg!($ip, $base, 3)));
                *reg!($ip, $base, 1) = Raw::bool(!equal);
                next!()
            }
            Op::Less => compare!(<),
            Op::LessEqual => compare!(<=),
            Op::Greater => compare!(>),
            Op::GreaterEqual => compare!(>=),
        } }
    };
}
