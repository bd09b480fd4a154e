local floor = math.floor

local function sieve(limit)
  local composite = {}
  for i = 1, limit do composite[i] = false end
  local primes = {}
  for i = 2, limit do
    if not composite[i] then
      primes[#primes + 1] = i
      local multiple = i * i
      while multiple <= limit do
        composite[multiple] = true
        multiple = multiple + i
      end
    end
  end
  return { primes = primes, composite = composite }
end

local function factors(n, primes)
  local count = 0
  for i = 1, #primes do
    local p = primes[i]
    if p * p > n then break end
    while n % p == 0 do
      n = floor(n / p)
      count = count + 1
    end
  end
  if n > 1 then count = count + 1 end
  return count
end

local function main()
  local limit = 300000
  local rounds = 20
  local total = 0
  for round = 0, rounds - 1 do
    local found = sieve(limit + round)
    local primes, composite = found.primes, found.composite
    local twins, widest = 0, 0
    for i = 2, #primes do
      local gap = primes[i] - primes[i - 1]
      if gap == 2 then twins = twins + 1 end
      if gap > widest then widest = gap end
    end
    local factor_count = 0
    for n = limit - 3000, limit - 1 do factor_count = factor_count + factors(n, primes) end
    local pairs = 0
    for even = 10, 1499 do
      for i = 1, #primes do
        local p = primes[i]
        if p + p > 2 * even then break end
        if not composite[2 * even - p] then pairs = pairs + 1 end
      end
    end
    total = total + #primes + twins * 3 + widest * 7 + factor_count * 11 + pairs
  end
  print(string.format("%d", total))
end
main()
