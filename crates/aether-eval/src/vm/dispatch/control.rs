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
            Op::Throw => {
                let value = take!(reg!($ip, $base, 1)).into_value();
                break $code $vm.throw(value);
            }
            Op::Rethrow => {
                let value = take!(reg!($ip, $base, 1)).into_value();
                break $code $vm.rethrow(value);
            }
            Op::DuplicateMain => break $code Raise::duplicate_main(),
            Op::Debugger => next!(),
        } }
    };
}
