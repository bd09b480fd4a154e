//! The arms of the dispatch loop: modules, `await`, errors.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! control {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Import => flow!(1, $vm.import(wide!($ip) as u32, field!($ip, 1))),
            Op::ImportMember => {
                let value = check!($vm.import_member(*reg!($ip, $base, 2), *$ip.add(1) as u32));
                *reg!($ip, $base, 1) = value;
                next!(2)
            }
            Op::Await => flow!(1, $vm.await_register(reg!($ip, $base, 1))),
            Op::Generator => {
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.make_generator(reg!($ip, $base, 1)));
                next!()
            }
            Op::Promise => {
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.promise_of_frame(reg!($ip, $base, 1)));
                next!()
            }
            Op::Yield => flow!(1, $vm.yield_value(reg!($ip, $base, 1))),
            Op::Defer => {
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.defer(reg!($ip, $base, 1), reg!($ip, $base, 2)));
                next!()
            }
            Op::DeferAtEnd => {
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.defer_at_end(reg!($ip, $base, 1)));
                next!()
            }
            Op::NextDeferred => {
                if let Some(function) = $vm.next_deferred(*reg!($ip, $base, 2)) {
                    *reg!($ip, $base, 1) = function;
                    $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                    continue $code;
                }
                next!()
            }
            Op::CallDeferred => flow!(1, call::call_deferred($vm, field!($ip, 1))),
            Op::Throw => {
                let value = take!(reg!($ip, $base, 1)).into_value();
                break $code $vm.throw(value);
            }
            Op::Rethrow => {
                let value = take!(reg!($ip, $base, 1)).into_value();
                break $code $vm.rethrow(value);
            }
            Op::Enter => {
                $vm.ip = $ip;
                $vm.base = $base;
                match $vm.enter_code() {
                    Ok(Flow::Next | Flow::Switched) => {
                        $ip = $vm.ip;
                        $base = $vm.base;
                        if $vm.switches_loop {
                            return Ok(());
                        }
                        continue $code;
                    }
                    Ok(Flow::Exit) => return Ok(()),
                    Err(raise) => {
                        $ip = $vm.ip;
                        $base = $vm.base;
                        break $code raise;
                    }
                }
            }
            Op::DuplicateMain => break $code Raise::duplicate_main(),
            Op::Debugger => {
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.debugger_statement());
                if MODE == PLAIN && $vm.is_stepping() {
                    $vm.ip = $ip.add(1);
                    $vm.switches_loop = true;
                    return Ok(());
                }
                next!()
            }
        } }
    };
}
