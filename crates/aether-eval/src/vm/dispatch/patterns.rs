//! The arms of the dispatch loop: destructuring and `match`.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! patterns {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::CheckType => {
                let register = reg!($ip, $base, 1);
                let check = wide!($ip) as u32;
                if !$vm.tables.checks[check as usize].admits.admits_kind((*register).tag) {
                    check!($vm.check_type(register, check));
                }
                next!()
            }
            Op::CheckArray => {
                if (*reg!($ip, $base, 1)).tag != tag::ARRAY {
                    check!($vm.check_pattern($ip, $base, false));
                }
                next!()
            }
            Op::CheckDict => {
                if (*reg!($ip, $base, 1)).tag != tag::DICT {
                    check!($vm.check_pattern($ip, $base, true));
                }
                next!()
            }
            Op::ElementOrNull => {
                let array = (*reg!($ip, $base, 2)).pointer::<Array>();
                let at = field!($ip, 3) as usize;
                let mut value = Raw::null();
                if at < (*array).len() {
                    value = *(*array).items().add(at);
                    value.retain();
                }
                *reg!($ip, $base, 1) = value;
                next!()
            }
            Op::Rest => {
                let value = check!($vm.rest_of(*reg!($ip, $base, 2), field!($ip, 3) as usize));
                *reg!($ip, $base, 1) = value;
                next!()
            }
            Op::KeyOrNull => {
                let value = member::key_or_none($vm, $ip, *reg!($ip, $base, 2));
                *reg!($ip, $base, 1) = value.unwrap_or(Raw::null());
                next!(2)
            }
            Op::JumpUnlessLiteral => {
                let value = reg!($ip, $base, 1);
                let literal = $vm.constants.add(field!($ip, 2) as usize);
                if (*value).tag == (*literal).tag && check!($vm.equal(value, literal.cast_mut())) {
                    next!()
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
            }
            Op::Switch => {
                let distance = $vm.switch_target($base, wide!($ip) as u32, *reg!($ip, $base, 1));
                $ip = $ip.add(distance as usize);
                continue $code;
            }
            Op::JumpUnlessWithin => {
                let value = *reg!($ip, $base, 1);
                let (first, last) = (*$ip.add(1) as i64, *$ip.add(2) as i64);
                if value.tag == tag::INT && first <= value.as_int() && value.as_int() <= last {
                    next!(3)
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
            }
            Op::JumpUnlessArray => {
                let value = *reg!($ip, $base, 1);
                let count = field!($ip, 2) as usize;
                if value.tag == tag::ARRAY {
                    let len = (*value.pointer::<Array>()).len();
                    if len == count || *$ip.add(1) != 0 && len > count {
                        next!(2)
                    }
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
            }
            Op::JumpUnlessDict => {
                if (*reg!($ip, $base, 1)).tag == tag::DICT {
                    next!()
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
            }
            Op::JumpUnlessStruct => {
                if $vm.is_instance_of(*reg!($ip, $base, 1), *$ip.add(1) as u32) {
                    next!(2)
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
            }
            Op::MemberOrUnset => {
                let value = member::key_or_none($vm, $ip, *reg!($ip, $base, 2));
                *reg!($ip, $base, 1) = value.unwrap_or(Raw::unset());
                next!(2)
            }
            Op::NoMatch => {
                $vm.ip = $ip;
                $vm.base = $base;
                let raise = $vm.no_match(*reg!($ip, $base, 1));
                check!(Err::<(), _>(raise));
                next!()
            }
            Op::JumpUnlessVariant => {
                if $vm.is_variant(*reg!($ip, $base, 1), *$ip.add(1)) {
                    next!(2)
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
            }
            Op::Payload => {
                let payload = (*(*reg!($ip, $base, 2)).pointer::<aether_value::EnumValue>()).payload();
                let at = field!($ip, 3) as usize;
                let mut value = Raw::null();
                if at < payload.len() {
                    value = *payload.as_ptr().add(at).cast::<Raw>();
                    value.retain();
                }
                *reg!($ip, $base, 1) = value;
                next!()
            }
        } }
    };
}
