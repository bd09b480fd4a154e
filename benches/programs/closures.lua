local function adder(step)
  local total = 0
  return function(x)
    total = total + step * x
    return total
  end
end
local functions = {}
for i = 0, 9 do functions[#functions + 1] = adder(i) end
local last = 0
for round = 0, 299999 do
  for i = 1, #functions do last = functions[i](round) end
end
print(string.format("%d", last))
