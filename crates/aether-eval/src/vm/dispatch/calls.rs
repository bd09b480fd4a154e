//! The arms of the dispatch loop: calls and returns.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! calls {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Call => call_kept!(*reg!($ip, $base, 2)),
            Op::CallTop => {
                let callee = *reg!($ip, $base, 1);
                let argc = field!($ip, 3);
                if callee.tag == tag::FUNCTION {
                    enter!(
                        callee.pointer::<Closure>(),
                        argc,
                        flags::OWNS_CALLEE,
                        1,
                        call::enter_slow($vm, callee, argc, flags::OWNS_CALLEE, 1)
                    );
                }
                flow!(1, call::call_value($vm, field!($ip, 1), argc, 1))
            }
            Op::CallGlobal => {
                let slot = field!($ip, 2);
                let callee = *$vm.globals.add(slot as usize);
                let argc = field!($ip, 3);
                if callee.tag == tag::FUNCTION {
                    let closure = callee.pointer::<Closure>();
                    if (*closure).is_empty() {
                        *reg!($ip, $base, 1) = Raw {
                            tag: tag::ALIAS,
                            payload: callee.payload,
                        };
                        enter!(closure, argc, 0, 1, call::enter_slow($vm, callee, argc, 0, 1));
                    }
                    callee.retain();
                    *reg!($ip, $base, 1) = callee;
                    enter!(
                        closure,
                        argc,
                        flags::OWNS_CALLEE,
                        1,
                        call::enter_slow($vm, callee, argc, flags::OWNS_CALLEE, 1)
                    );
                }
                if callee.tag == tag::BUILTIN {
                    $vm.ip = $ip;
                    $vm.base = $base;
                    if check!(call::call_plain_builtin($vm, callee, reg!($ip, $base, 1), argc)) {
                        next!()
                    }
                    flow!(1, call::call_builtin($vm, callee, field!($ip, 1), argc, 1))
                }
                if callee.tag == tag::UNSET {
                    break $code $vm.undefined_global(u32::from(slot));
                }
                callee.retain();
                *reg!($ip, $base, 1) = callee;
                flow!(1, call::call_value($vm, field!($ip, 1), argc, 1))
            }
            Op::CallKeywords => flow!(2, call::call_keywords($vm, false)),
            Op::CallMethodKeywords => flow!(2, call::call_keywords($vm, true)),
            Op::CallOwn => {
                let own = *$base.sub(16).cast::<Raw>();
                let argc = field!($ip, 3);
                let closure = own.pointer::<Closure>();
                if (*closure.cast::<Header>()).kind == tag::FUNCTION {
                    let callee = Raw {
                        tag: tag::FUNCTION,
                        payload: own.payload,
                    };
                    *reg!($ip, $base, 1) = Raw {
                        tag: tag::ALIAS,
                        payload: own.payload,
                    };
                    enter!(closure, argc, 0, 1, call::enter_slow($vm, callee, argc, 0, 1));
                }
                *reg!($ip, $base, 1) = call::own_closure($base);
                flow!(1, call::call_value($vm, field!($ip, 1), argc, 1))
            }
            Op::CallCapture => call_kept!(*call::capture($base, field!($ip, 2))),
            Op::CallMethod => {
                let receiver = *$base.add(field!($ip, 1) as usize + 16).cast::<Raw>();
                call_method!(receiver, field!($ip, 2));
            }
            Op::CallMethod1 => {
                let window = reg!($ip, $base, 1);
                let (receiver, argument) = (reg!($ip, $base, 2), reg!($ip, $base, 3));
                if matches!((*receiver).tag, tag::DICT | tag::SET) {
                    let value = call::lookup($vm, $ip, *receiver, *argument);
                    if value.tag != tag::UNSET {
                        if receiver == window.add(1) {
                            take!(receiver).release();
                        }
                        if argument == window.add(2) {
                            take!(argument).release();
                        }
                        *window = value;
                        next!(3)
                    }
                }
                if receiver != window.add(1) {
                    (*receiver).retain();
                    *window.add(1) = *receiver;
                }
                if argument != window.add(2) {
                    (*argument).retain();
                    *window.add(2) = *argument;
                }
                call_method!(*receiver, 1);
            }
            Op::Push => push!(false),
            Op::Len => len!(),
            Op::Return => leave!(take!(reg!($ip, $base, 1))),
            Op::Return1 => {
                drop_register!(2);
                leave!(take!(reg!($ip, $base, 1)));
            }
            Op::Return2 => {
                drop_register!(2);
                drop_register!(3);
                leave!(take!(reg!($ip, $base, 1)));
            }
            Op::ReturnNull => leave!(Raw::null()),
        } }
    };
}
