local function number(value) return { tag = "number", value = value } end
local function variable(name) return { tag = "variable", name = name } end
local function sum_of(a, b) return { tag = "sum", a = a, b = b } end
local function product_of(a, b) return { tag = "product", a = a, b = b } end
local function power_of(base, exponent) return { tag = "power", base = base, exponent = exponent } end

local function derive(term)
  local tag = term.tag
  if tag == "number" then return number(0) end
  if tag == "variable" then return number(1) end
  if tag == "sum" then return sum_of(derive(term.a), derive(term.b)) end
  if tag == "product" then
    return sum_of(product_of(derive(term.a), term.b), product_of(term.a, derive(term.b)))
  end
  local base, n = term.base, term.exponent
  return product_of(number(n), product_of(power_of(base, n - 1), derive(base)))
end

local function sum(a, b)
  local x = a.tag == "number" and a.value
  local y = b.tag == "number" and b.value
  if x and y then return number((x + y) % 10007) end
  if x == 0 then return b end
  if y == 0 then return a end
  return sum_of(a, b)
end

local function product(a, b)
  local x = a.tag == "number" and a.value
  local y = b.tag == "number" and b.value
  if x and y then return number(x * y % 10007) end
  if x == 0 then return a end
  if y == 0 then return b end
  if x == 1 then return b end
  if y == 1 then return a end
  return product_of(a, b)
end

local function simplified(term)
  local tag = term.tag
  if tag == "sum" then return sum(simplified(term.a), simplified(term.b)) end
  if tag == "product" then return product(simplified(term.a), simplified(term.b)) end
  if tag == "power" then
    if term.exponent == 0 then return number(1) end
    if term.exponent == 1 then return simplified(term.base) end
    return power_of(simplified(term.base), term.exponent)
  end
  return term
end

local function evaluate(term, x)
  local tag = term.tag
  if tag == "number" then return term.value end
  if tag == "variable" then return x end
  if tag == "sum" then return (evaluate(term.a, x) + evaluate(term.b, x)) % 10007 end
  if tag == "product" then return evaluate(term.a, x) * evaluate(term.b, x) % 10007 end
  local value = evaluate(term.base, x)
  local result = 1
  for i = 1, term.exponent do result = result * value % 10007 end
  return result
end

local function size(term)
  local tag = term.tag
  if tag == "sum" or tag == "product" then return 1 + size(term.a) + size(term.b) end
  if tag == "power" then return 1 + size(term.base) end
  return 1
end

local function main()
  local rounds = 2400
  local total = 0
  for round = 0, rounds - 1 do
    local x = variable("x")
    local term = number(1 + round % 5)
    for power = 1, 5 do
      local grown = power_of(sum_of(x, number(power)), power)
      term = sum_of(term, product_of(number(power + round % 3), grown))
    end
    for times = 1, 3 do
      term = simplified(derive(term))
      total = total + size(term)
    end
    for value = 0, 19 do total = (total + evaluate(term, value)) % 1000003 end
  end
  print(string.format("%d", total))
end
main()
