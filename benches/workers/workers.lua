-- What threads of Lua 5.4 or LuaJIT cost and bring, by cqueues (Debian: lua-cqueues) and cjson (lua-cjson); see
-- workers.ae.
-- A thread has a state of its own; functions go to it as bytecode, without what they captured, and what is sent are
-- bytes of a socket. The files are those that workers.ae has made.
local thread = require "cqueues.thread"
local monotime = require("cqueues").monotime
local cjson = require "cjson"

local function line(name, ...) print(name .. ": " .. table.concat({...}, " ")) end
local function ms(begun) return math.floor((monotime() - begun) * 1000 + 0.5) end

local begun = monotime()
for _ = 1, 200 do assert(thread.start(function() end):join()) end
line("start and join, us", math.floor((monotime() - begun) * 10000000 / 200) / 10)

local echo, con = thread.start(function(con)
    con:setmode("bf", "bf")
    for text in con:lines("*L") do
        con:write(text)
        con:flush()
    end
end)
con:setmode("bf", "bf")
local function there_and_back(text)
    con:write(text, "\n")
    con:flush()
    return con:read("*l")
end
there_and_back("0")
begun = monotime()
for i = 1, 5000 do there_and_back(tostring(i)) end
line("round trip, us", math.floor((monotime() - begun) * 10000000 / 5000) / 10)
con:shutdown("w")
echo:join()

-- What threads do: each with the first item, the distance to its next and a directory; they give numbers.
local work = {}

work.mandelbrot = function(first, step)
    local results = {}
    for y = first, 599, step do
        local inside = 0
        for x = 0, 599 do
            local cr, ci = x / 300.0 - 1.5, y / 300.0 - 1.0
            local zr, zi, k = 0.0, 0.0, 0
            while k < 100 and zr * zr + zi * zi < 4.0 do
                zr, zi = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci
                k = k + 1
            end
            inside = inside + k
        end
        results[#results + 1] = inside
    end
    return results
end

work.json = function(first, step, directory)
    local cjson = require "cjson"
    local results = {}
    for n = first, 199, step do
        local file = assert(io.open(directory .. "/" .. n .. ".json"))
        local items = cjson.decode(file:read("*a")).items
        file:close()
        local sum = 0.0
        for _, item in ipairs(items) do sum = sum + item.price end
        results[#results + 1] = sum
    end
    return results
end

work.words = function(first, step, directory)
    local results = {}
    for part = first, 11, step do
        local file = assert(io.open(directory .. "/log" .. part))
        local counts = {}
        for word in file:read("*a"):gmatch("%S+") do counts[word] = (counts[word] or 0) + 1 end
        file:close()
        results[#results + 1] = counts.error
    end
    return results
end

local function serve(con, code, first, directory)
    local results = load(code)(first, 2, directory)
    for _, result in ipairs(results) do con:write(string.format("%.17g", result), "\n") end
    con:flush()
end

-- Two threads, of which each takes every second item.
local function compare(name, f, count, directory)
    local begun = monotime()
    local alone = f(0, 1, directory)
    local one = ms(begun)
    begun = monotime()
    local threads = {}
    for first = 0, 1 do
        local started, con = thread.start(serve, string.dump(f), first, directory)
        threads[first] = {started, con}
    end
    local together = {}
    for first = 0, 1 do
        local at = first + 1
        for text in threads[first][2]:lines("*l") do
            together[at] = tonumber(text)
            at = at + 2
        end
        threads[first][1]:join()
    end
    local all = ms(begun)
    local same = #together == count
    for n = 1, count do same = same and together[n] == alone[n] end
    line(name .. ", ms alone and in parallel", one, all, tostring(same))
end

local directory = arg[1]
compare("mandelbrot rows", work.mandelbrot, 600)

local function resident()
    for text in io.lines("/proc/self/status") do
        local found = text:match("^VmRSS:%s*(%d+)")
        if found then return tonumber(found) end
    end
end
local function crowd(count)
    local members = {}
    for n = 1, count do
        local member, con = thread.start(function(con)
            con:write("1\n")
            con:flush()
            con:read("*l")
        end)
        con:read("*l")
        members[n] = {member, con}
    end
    return members
end
local function dismiss(members)
    for _, member in ipairs(members) do
        member[2]:write("1\n")
        member[2]:flush()
    end
    for _, member in ipairs(members) do member[1]:join() end
end
local before = resident()
local members = crowd(100)
line("resident of each of 100, KB", math.floor((resident() - before) / 100 + 0.5))
dismiss(members)

compare("200 JSON files", work.json, 200, directory)

compare("words of a log", work.words, 12, directory)
