//! The arms of the dispatch loop: destructuring and `match`.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! patterns {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
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
                let value = $vm.key_or_null(*reg!($ip, $base, 2), *$ip.add(1) as u32);
                *reg!($ip, $base, 1) = value;
                next!(2)
            }
            Op::JumpUnlessLiteral => {
                let value = reg!($ip, $base, 1);
                let literal = $vm.constants.add(field!($ip, 2) as usize);
                if (*value).tag == (*literal).tag && $vm.equal(value, literal.cast_mut()) {
                    next!()
                }
                $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                continue $code;
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
