//! The arms of the dispatch loop: closures, definitions, collections and texts.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! construction {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Closure => {
                $vm.ip = $ip;
                $vm.base = $base;
                let value = check!($vm.make_closure($base, field!($ip, 2)));
                *reg!($ip, $base, 1) = value;
                next!()
            }
            Op::Struct => {
                $vm.ip = $ip;
                $vm.base = $base;
                let value = check!($vm.make_struct(wide!($ip) as u32));
                *reg!($ip, $base, 1) = value;
                next!()
            }
            Op::Methods => {
                let window = reg!($ip, $base, 1);
                $vm.add_methods(window, field!($ip, 3) as usize, *$ip.add(1) as u32);
                next!(2)
            }
            Op::Enum => {
                let value = check!($vm.make_enum(wide!($ip) as u32));
                *reg!($ip, $base, 1) = value;
                next!()
            }
            Op::Instance => {
                let window = reg!($ip, $base, 1);
                $vm.ip = $ip;
                $vm.base = $base;
                flow!(2, $vm.make_instance(window, field!($ip, 3) as usize, *$ip.add(1) as u32))
            }
            Op::Array => {
                $vm.ip = $ip;
                $vm.base = $base;
                let value = check!($vm.make_array(reg!($ip, $base, 2), field!($ip, 3) as usize));
                *reg!($ip, $base, 1) = value;
                next!()
            }
            Op::Append => {
                check!($vm.append($ip, $base));
                next!()
            }
            Op::Reserve => {
                $vm.ip = $ip;
                $vm.base = $base;
                $vm.reserve_for(*reg!($ip, $base, 1), reg!($ip, $base, 2));
                next!()
            }
            Op::Extend => flow!(1, $vm.extend_array(*reg!($ip, $base, 1), reg!($ip, $base, 2))),
            Op::Record => {
                check!($vm.new_record($ip, $base));
                next!(2)
            }
            Op::Dict => {
                check!($vm.new_dict($ip, $base));
                next!()
            }
            Op::Entry => {
                check!($vm.dict_entry($ip, $base));
                next!()
            }
            Op::Concat => {
                $vm.ip = $ip;
                $vm.base = $base;
                let value = check!($vm.concat(reg!($ip, $base, 2), field!($ip, 3) as usize));
                *reg!($ip, $base, 1) = value;
                next!()
            }
        } }
    };
}
