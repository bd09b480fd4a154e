//! The arms of the dispatch loop: `for` loops.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! iteration {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Iterate => {
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.iterate(reg!($ip, $base, 1)));
                next!()
            }
            Op::IterateRange => {
                let state = reg!($ip, $base, 1);
                if $vm.iterate_range(state, field!($ip, 2)) {
                    $ip = $ip.offset(field!($ip, 3) as i16 as isize);
                    continue $code;
                }
                next!()
            }
            Op::Next => next_turn!(true),
            Op::NextInt => next_turn!(false),
        } }
    };
}
