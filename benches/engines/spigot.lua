local floor = math.floor

local function pi_digits(count)
  local size = floor(count * 10 / 3) + 1
  local rest = {}
  for i = 0, size - 1 do rest[i] = 2 end
  local digits = {}
  local nines, held, first = 0, 0, true
  while #digits < count do
    local carry = 0
    for i = size - 1, 0, -1 do
      local x = 10 * rest[i] + carry * (i + 1)
      rest[i] = x % (2 * i + 1)
      carry = floor(x / (2 * i + 1))
    end
    rest[0] = carry % 10
    carry = floor(carry / 10)
    if carry == 9 then
      nines = nines + 1
    else
      local more = carry == 10 and 1 or 0
      if not first then digits[#digits + 1] = held + more end
      first = false
      for k = 1, nines do digits[#digits + 1] = more == 1 and 0 or 9 end
      nines = 0
      held = carry == 10 and 0 or carry
    end
  end
  return digits
end

local function times(number, factor)
  local carry = 0
  for i = 1, #number do
    local x = number[i] * factor + carry
    number[i] = x % 10000
    carry = floor(x / 10000)
  end
  while carry > 0 do
    number[#number + 1] = carry % 10000
    carry = floor(carry / 10000)
  end
end

local function product(a, b)
  local result = {}
  for i = 1, #a + #b do result[i] = 0 end
  for i = 1, #a do
    local carry = 0
    for k = 1, #b do
      local x = result[i + k - 1] + a[i] * b[k] + carry
      result[i + k - 1] = x % 10000
      carry = floor(x / 10000)
    end
    result[i + #b] = carry
  end
  return result
end

local function digit_sum(number)
  local sum = 0
  for i = 1, #number do
    local limb = number[i]
    sum = sum + limb % 10 + floor(limb / 10) % 10 + floor(limb / 100) % 10 + floor(limb / 1000)
  end
  return sum
end

local function main()
  local count = 1700
  local digits = pi_digits(count)
  local check = 0
  for i = 1, #digits do check = (check * 7 + digits[i]) % 1000003 end
  local factorial = { 1 }
  for i = 2, count - 1 do times(factorial, i) end
  local square = product(factorial, factorial)
  print(string.format("%d %d %d %d", check, digits[count - 1], digit_sum(factorial), digit_sum(square)))
end
main()
